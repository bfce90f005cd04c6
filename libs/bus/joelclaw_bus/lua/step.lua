#!lua flags=allow-oom
-- Records one step's result, and what it sends, once: whoever comes second gets what the first recorded.
-- KEYS: 1 source stream, 2 run, 3 open, 4 outbox, 5 outbox items
-- ARGV: 1 function, 2 consumer, 3 entry, 4 claim, 5 run id, 6 's'|'r' source mark, 7 step, 8 result (JSON),
--       9 most steps, 10 most bytes of a run, 11 outbox item id ('' none), 12 outbox item, 13… fields that are void now
-- Answers: {1, result, now} recorded; {0, why} not mine, nothing written; {2, what} a limit is reached
-- uses: clock, lease, record, outbox
local count, why = owned(KEYS[1], ARGV[1], ARGV[3], ARGV[2])
if not count then return { 0, why } end
local rec = redis.call('HMGET', KEYS[2], 'state', 'claim', 's:' .. ARGV[7], 'steps', 'bytes')
if rec[1] and rec[2] ~= ARGV[4] then return { 0, 'claim' } end
local now = now_ms()
if rec[3] then return { 1, rec[3], now } end
if tonumber(rec[4] or '0') >= tonumber(ARGV[9]) then return { 2, 'steps' } end
local void = 0 -- of what a wait noted; it is in the result now
for i = 13, #ARGV do
  if ARGV[i]:sub(1, 2) == 'a:' then void = void + redis.call('HSTRLEN', KEYS[2], ARGV[i]) end
end
if tonumber(rec[5] or '0') + #ARGV[8] - void > tonumber(ARGV[10]) then return { 2, 'bytes' } end
if not rec[1] then record_new(KEYS[2], KEYS[3], ARGV[5], ARGV[1], ARGV[6] .. ARGV[3], ARGV[4], now) end
redis.call('HSET', KEYS[2], 's:' .. ARGV[7], ARGV[8])
redis.call('HINCRBY', KEYS[2], 'steps', 1)
redis.call('HDEL', KEYS[2], 'begins') -- progress is no poison
redis.call('HSET', KEYS[2], 'bytes', math.max(0, tonumber(rec[5] or '0') + #ARGV[8] - void))
for i = 13, #ARGV do redis.call('HDEL', KEYS[2], ARGV[i]) end
if ARGV[11] ~= '' then outbox_put(KEYS[4], KEYS[5], ARGV[11], ARGV[12], now) end
return { 1, ARGV[8], now }
