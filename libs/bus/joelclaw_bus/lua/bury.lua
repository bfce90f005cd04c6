#!lua flags=allow-oom
-- Sets an entry aside that no handler may see: one dead letter and one answer for it, whichever group comes first.
-- KEYS: 1 stream, 2 buried, 3 dead, 4 outbox, 5 outbox items
-- ARGV: 1 function, 2 consumer, 3 entry, 4 how long it is remembered, ms, 5 most dead letters, 6 count of letter
--       fields and values, 7… those, then outbox item id, item, …
-- Answers: {1, now} buried; {2, now} it was already, only acknowledged; {0, why} not mine, nothing written
-- uses: clock, lease, outbox
local count, why = owned(KEYS[1], ARGV[1], ARGV[3], ARGV[2])
if not count then return { 0, why } end
local now = now_ms()
local first = redis.call('SET', KEYS[2], now, 'NX', 'PX', ARGV[4])
if first then
  local n = tonumber(ARGV[6])
  local letter = { 'buried', now }
  for i = 7, 6 + n do letter[#letter + 1] = ARGV[i] end
  redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[5], '*', unpack(letter))
  for i = 7 + n, #ARGV, 2 do outbox_put(KEYS[4], KEYS[5], ARGV[i], ARGV[i + 1], now) end
end
redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
return { first and 1 or 2, now }
