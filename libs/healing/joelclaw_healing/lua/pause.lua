#!lua flags=allow-oom
-- Adds a pause reason or ends one, and notes who did. Works in a full store: stopping must always be possible.
-- KEYS: 1 pauses  2 their log
-- ARGV: 1 'pause' or 'resume'  2 the reason's id  3 JSON: the reason itself, or {actor}  4 its end, ms
--   5 how many log lines are kept  6 how many reasons there may be
-- Answers: 1 done | 0: there are too many, or none of this id; nothing is written but ended ones are gone
-- uses: clock
local now = now_ms()
for _, id in ipairs(redis.call('HKEYS', KEYS[1])) do
  local sound, reason = pcall(cjson.decode, redis.call('HGET', KEYS[1], id))
  if sound and type(reason) == 'table' and tonumber(reason.until_ms) and tonumber(reason.until_ms) <= now then
    redis.call('HDEL', KEYS[1], id)
  end
end
if ARGV[1] == 'pause' then
  if redis.call('HEXISTS', KEYS[1], ARGV[2]) == 1 then return 1 end
  if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[6]) then return 0 end
  redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
elseif redis.call('HDEL', KEYS[1], ARGV[2]) == 0 then
  return 0
end
redis.call('RPUSH', KEYS[2], cjson.encode({at = now, verb = ARGV[1], id = ARGV[2], what = ARGV[3]}))
redis.call('LTRIM', KEYS[2], -tonumber(ARGV[5]), -1)
return 1
