#!lua flags=allow-oom
-- Turns the kill switch on or off and notes who did it. Works in a full store: stopping must always be possible.
-- KEYS: 1 switch  2 its log
-- ARGV: 1 'stop' or 'start'  2 who  3 why  4 how many log lines are kept
-- Answers: 1 turned | 0: it stood like that already; nothing is written
-- uses: clock
local on = redis.call('EXISTS', KEYS[1]) == 1
if on == (ARGV[1] == 'stop') then return 0 end
local now = now_ms()
if on then
  redis.call('DEL', KEYS[1])
else
  redis.call('HSET', KEYS[1], 'owner', ARGV[2], 'reason', ARGV[3], 'since_ms', now)
end
redis.call('RPUSH', KEYS[2], cjson.encode({at = now, verb = ARGV[1], actor = ARGV[2], reason = ARGV[3]}))
redis.call('LTRIM', KEYS[2], -tonumber(ARGV[4]), -1)
return 1
