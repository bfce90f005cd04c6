#!lua flags=allow-oom
-- Notes that what a waiting run waits for has come; when it has all that it needs, it is ready, and what it waits for
-- elsewhere is called off: the run's own slot decides who was first.
-- KEYS: 1 run, 2 due, 3 ready, 4 outbox, 5 outbox items
-- ARGV: 1 run id, 2 step, 3 number of the awaited event, from 0, 4 the event (JSON), 5 run key (slot|run)
-- Answers: 3 it waits for another one than this, which it has heard, nothing written; 2 it goes on; 1 noted, it waits
--          for more; 0 it does not wait for this (any more), nothing written
-- uses: clock, outbox, wait_spec
local rec = redis.call('HMGET', KEYS[1], 'state', 'wait', 'w:' .. ARGV[2])
if rec[1] ~= 'waiting' or rec[2] ~= ARGV[2] or not rec[3] then return 0 end
local now = now_ms()
local spec, number = wait_spec(rec[3]), tonumber(ARGV[3])
if heard_already(spec, number, ARGV[4]) then return 3 end
local field = 'a:' .. ARGV[2] .. ':' .. ARGV[3]
local noted = redis.call('HGET', KEYS[1], field)
if not noted or heard_already(spec, number, noted) then
  redis.call('HSET', KEYS[1], field, ARGV[4])
  redis.call('HINCRBY', KEYS[1], 'bytes', #ARGV[4] - #(noted or ''))
end
if spec.all then
  for i = 0, #spec.events - 1 do
    if redis.call('HEXISTS', KEYS[1], 'a:' .. ARGV[2] .. ':' .. i) == 0 then return 1 end
  end
else
  call_off(KEYS[4], KEYS[5], spec, ARGV[5], ARGV[2], number, now)
end
local entry = redis.call('XADD', KEYS[3], '*', 'run', ARGV[1])
redis.call('HSET', KEYS[1], 'state', 'queued', 'at', 'r' .. entry)
redis.call('HDEL', KEYS[1], 'due')
redis.call('ZREM', KEYS[2], 'r:' .. ARGV[1])
return 2
