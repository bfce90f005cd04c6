-- The waits of a slot: by when they end, their bodies, an index of what they ask (`KEY:ID`, ordered as text), and the
-- forms in use with their number. KEYS hold them in this order from `first` on.
local function wait_put(first, id, body, ends)
  local wait = cjson.decode(body)
  if redis.call('HSET', KEYS[first + 1], id, body) == 1 then
    redis.call('ZADD', KEYS[first + 2], 0, wait.key .. ':' .. id)
    redis.call('HINCRBY', KEYS[first + 3], wait.form, 1)
  end
  redis.call('ZADD', KEYS[first], ends, id)
end
local function wait_remove(first, id)
  local body = redis.call('HGET', KEYS[first + 1], id)
  redis.call('ZREM', KEYS[first], id)
  if not body then return 0 end
  local wait = cjson.decode(body)
  redis.call('HDEL', KEYS[first + 1], id)
  redis.call('ZREM', KEYS[first + 2], wait.key .. ':' .. id)
  if redis.call('HINCRBY', KEYS[first + 3], wait.form, -1) <= 0 then redis.call('HDEL', KEYS[first + 3], wait.form) end
  return 1
end
-- Takes those away that nobody has any more, at most a hundred a call.
local function waits_over(first, now)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[first], '-inf', now, 'LIMIT', 0, 100)) do wait_remove(first, id) end
end
