-- The waits of a slot: by when they end, their bodies, an index of what they ask (`KEY:ID`, ordered as text), and the
-- forms in use with their number. KEYS hold them in this order from `first` on.
local function wait_read(body)
  local good, wait = pcall(cjson.decode, body)
  if not good or type(wait) ~= 'table' or type(wait.key) ~= 'string' or type(wait.form) ~= 'string' then return false end
  return wait
end
local function wait_remove(first, id)
  local body = redis.call('HGET', KEYS[first + 1], id)
  local wait = body and wait_read(body) -- anyone may have written it: before the first write, since this may fail
  redis.call('ZREM', KEYS[first], id)
  redis.call('HDEL', KEYS[first + 1], id)
  if not wait then return body and 1 or 0 end
  redis.call('ZREM', KEYS[first + 2], wait.key .. ':' .. id)
  if redis.call('HINCRBY', KEYS[first + 3], wait.form, -1) <= 0 then redis.call('HDEL', KEYS[first + 3], wait.form) end
  return 1
end
local function wait_put(first, id, body, ends)
  local wait, old = cjson.decode(body), redis.call('HGET', KEYS[first + 1], id)
  if old ~= body then
    if old then wait_remove(first, id) end -- what it asks for may have changed
    redis.call('HSET', KEYS[first + 1], id, body)
    redis.call('ZADD', KEYS[first + 2], 0, wait.key .. ':' .. id)
    redis.call('HINCRBY', KEYS[first + 3], wait.form, 1)
  end
  redis.call('ZADD', KEYS[first], ends, id)
end
-- Takes those away that nobody has any more, at most a hundred a call.
local function waits_over(first, now)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[first], '-inf', now, 'LIMIT', 0, 100)) do wait_remove(first, id) end
end
