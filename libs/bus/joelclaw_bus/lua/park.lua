#!lua flags=allow-oom
-- Puts a running run to rest until a time (a sleep, a retry), a permit or an event: acknowledges its entry in the same
-- step.
-- KEYS: 1 source stream, 2 home stream, 3 run, 4 open, 5 due, 6 outbox, 7 outbox items
-- ARGV: 1 function, 2 consumer, 3 entry, 4 claim, 5 run id, 6 's'|'r' source mark, 7 state (due|held|waiting),
--       8 delay, ms, 9 at, ms (0: now + delay), 10 step ('' none), 11 what it waits for (JSON; '': the step is a sleep),
--       12 attempts to add, 13 error ('' none), 14 nudge channel, 15 slot name, 16 most steps,
--       17 what a cancel must send to give its permit back (outbox item; '' nothing), 18 when it began, ms, 19 how long
--       ago that is, ms, 20… outbox item id, item, …
-- Answers: {1, due, now} parked (again, when this claim had parked it already); {0, why} not mine, nothing written;
--          {2, what} a limit is reached, nothing written; {3, now} this claim had parked it, and it has gone on since
-- uses: clock, lease, record, due, outbox, wait_spec
local now = now_ms()
local rec = redis.call('HMGET', KEYS[3], 'state', 'claim', 'by', 'due', 'steps')
local count, why = owned(KEYS[1], ARGV[1], ARGV[3], ARGV[2])
if not count then
  if rec[3] == ARGV[4] and rec[4] then return { 1, tonumber(rec[4]), now } end
  if rec[3] == ARGV[4] and rec[1] ~= 'ended' then return { 3, now } end
  return { 0, why }
end
if rec[1] and rec[2] ~= ARGV[4] then return { 0, 'claim' } end
if redis.call('HEXISTS', KEYS[3], 'e:data') == 0 and not redis.call('XRANGE', KEYS[2], ARGV[3], ARGV[3])[1] then
  return { 0, 'event deleted' }
end
if ARGV[10] ~= '' and tonumber(rec[5] or '0') >= tonumber(ARGV[16]) then return { 2, 'steps' } end
local spec = ARGV[11] ~= '' and cjson.decode(ARGV[11])
local vain = spec and noted_in_vain(KEYS[3], ARGV[10], spec) or {}
if not rec[1] then record_new(KEYS[3], KEYS[4], ARGV[5], ARGV[1], '', ARGV[4], now, ARGV[18], ARGV[19]) end
record_body(KEYS[3], KEYS[2], ARGV[3])
local at = tonumber(ARGV[9])
if at == 0 then at = now + tonumber(ARGV[8]) end
-- Its permit came between the refusal and this: it goes on at once.
if ARGV[7] == 'held' and redis.call('HDEL', KEYS[3], 'handed') == 1 then at = now end
if spec then
  redis.call('HSET', KEYS[3], 'wait', ARGV[10], 'w:' .. ARGV[10], string.format('%.0f %s', at, ARGV[11]))
  if vain[1] then wait_on(KEYS[3], KEYS[6], KEYS[7], spec, ARGV[15] .. '|' .. ARGV[5], ARGV[10], vain) end
elseif ARGV[10] ~= '' then
  if redis.call('HSETNX', KEYS[3], 's:' .. ARGV[10], string.format('{"until":%.0f}', at)) == 1 then
    redis.call('HINCRBY', KEYS[3], 'steps', 1)
  end
end
if ARGV[12] ~= '0' then
  local attempt = redis.call('HINCRBY', KEYS[3], 'attempt', ARGV[12])
  redis.call('HSET', KEYS[3], 'x:' .. attempt, ARGV[13], 'error', ARGV[13])
  redis.call('HDEL', KEYS[3], 'x:' .. (attempt - 20)) -- the latest twenty tell enough
end
redis.call('HSET', KEYS[3], 'state', ARGV[7], 'due', at, 'by', ARGV[4])
if ARGV[17] ~= '' then redis.call('HSET', KEYS[3], 'permit', ARGV[17]) end
redis.call('HDEL', KEYS[3], 'claim', 'at', 'begins')
redis.call('ZADD', KEYS[4], now, ARGV[5])
for i = 20, #ARGV, 2 do outbox_put(KEYS[6], KEYS[7], ARGV[i], ARGV[i + 1], now) end
ack(KEYS[1], KEYS[2], ARGV[1], ARGV[3])
due_put(KEYS[5], ARGV[14], ARGV[15], 'r:' .. ARGV[5], at)
return { 1, at, now }
