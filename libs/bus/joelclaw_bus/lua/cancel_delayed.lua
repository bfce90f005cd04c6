#!lua flags=allow-oom
-- Takes back an event that waits for its time: nobody gets it. Its id stays known, as that of an entry which is gone, so
-- that a producer who asks again does not bring it back.
-- KEYS: 1 due, 2 due items, 3 ids, 4 ended
-- ARGV: 1 event id, 2 why, 3 how long its runs are remembered, ms, 4 dedupe window, ms, 5… run id, function, … that it
--       would have had
-- Answers: 1 taken back; 0 it does not wait (any more), nothing written
-- The run keys are the due key's own slot: they are built from its tag, since the arguments name the runs.
-- uses: clock, ids, record
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 0 then return 0 end
local now = now_ms()
local seen, where = ids_find(KEYS[3], ARGV[1])
local gone = string.format('%.0f-0', now)
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[1], 'e:' .. ARGV[1])
if seen then
  redis.call('HSET', where, ARGV[1], gone)
else
  ids_put(KEYS[3], ARGV[1], gone, now, tonumber(ARGV[4]))
end
for i = 5, #ARGV, 2 do
  local key = KEYS[1]:sub(1, -4) .. 'run:' .. ARGV[i]
  if redis.call('EXISTS', key) == 0 then
    redis.call('HSET', key, 'v', RECORD_FORMAT, 'run', ARGV[i], 'fn', ARGV[i + 1], 'state', 'ended', 'status',
      'cancelled', 'result', 'null', 'error', ARGV[2], 'attempt', 0, 'created', now, 'ended', now)
    redis.call('PEXPIRE', key, ARGV[3])
    redis.call('ZADD', KEYS[4], now, ARGV[i])
  end
end
return 1
