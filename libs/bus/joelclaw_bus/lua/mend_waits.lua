#!lua flags=allow-oom
-- Makes a slot's index of waits and its forms anew from the bodies, after one wait was found broken and taken away.
-- KEYS: 1 waits, 2 wait items, 3 wait index, 4 wait forms
-- ARGV: 1 wait that was found broken, 2 most bodies
-- Answers: 1 made anew; 0 there are too many: only that wait is gone
-- unconfirmed: a repair that is lost leaves what was broken, and is done again
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[1], ARGV[1])
if redis.call('HLEN', KEYS[2]) > tonumber(ARGV[2]) then return 0 end
redis.call('DEL', KEYS[3], KEYS[4])
local bodies, there = redis.call('HGETALL', KEYS[2]), {}
for i = 1, #bodies, 2 do
  local ok, wait = pcall(cjson.decode, bodies[i + 1])
  if ok and type(wait) == 'table' and wait.key and wait.form and tonumber(wait.ends_ms) then
    there[bodies[i]] = true
    redis.call('ZADD', KEYS[1], 'NX', string.format('%.0f', wait.ends_ms), bodies[i])
    redis.call('ZADD', KEYS[3], 0, wait.key .. ':' .. bodies[i])
    redis.call('HINCRBY', KEYS[4], wait.form, 1)
  else
    redis.call('HDEL', KEYS[2], bodies[i])
  end
end
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if not there[id] then redis.call('ZREM', KEYS[1], id) end
end
return 1
