#!lua flags=allow-oom
-- Makes a held run ready, because it has its permit now.
-- KEYS: 1 run, 2 due, 3 ready
-- ARGV: 1 run id
-- Answers: 1 woken; 2 open, but not held (it will find its permit); 0 no such open run: the permit must go back
local state = redis.call('HGET', KEYS[1], 'state')
if not state or state == 'ended' then return 0 end
if state ~= 'held' then
  -- Refused a moment ago and about to be parked: then it must not rest until the fallback.
  redis.call('HSET', KEYS[1], 'handed', '1')
  return 2
end
local entry = redis.call('XADD', KEYS[3], '*', 'run', ARGV[1])
redis.call('HSET', KEYS[1], 'state', 'queued', 'at', 'r' .. entry)
redis.call('HDEL', KEYS[1], 'due')
redis.call('ZREM', KEYS[2], 'r:' .. ARGV[1])
return 1
