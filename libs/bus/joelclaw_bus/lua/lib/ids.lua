-- The dedupe index: generations, newest first, each a hash from event id to entry id (or 'due' while it waits).
-- A generation ends after a 24th of the window or of the two million ids; a whole one goes when all of it is too old.
local IDS_GENERATIONS = 24
local IDS_PER_GENERATION = 83334
local function ids_find(ids, id)
  for _, g in ipairs(redis.call('ZREVRANGE', ids, 0, -1)) do
    local seen = redis.call('HGET', ids .. ':' .. g, id)
    if seen then return seen, ids .. ':' .. g end
  end
  return false
end
local function ids_put(ids, id, value, now, window)
  local newest = redis.call('ZREVRANGE', ids, 0, 0, 'WITHSCORES')
  local g = newest[1]
  if not g or now - tonumber(newest[2]) >= window / IDS_GENERATIONS
      or redis.call('HLEN', ids .. ':' .. g) >= IDS_PER_GENERATION then
    g = string.format('%.0f', tonumber(g or '0') + 1)
    redis.call('ZADD', ids, now, g)
    local all = redis.call('ZRANGE', ids, 0, -1, 'WITHSCORES')
    local oldest = 1
    while (#all / 2 - oldest) >= IDS_GENERATIONS + 1
        or (all[oldest * 2 + 2] and now - tonumber(all[oldest * 2 + 2]) > window) do
      redis.call('UNLINK', ids .. ':' .. all[oldest * 2 - 1])
      redis.call('ZREM', ids, all[oldest * 2 - 1])
      oldest = oldest + 1
    end
  end
  redis.call('HSET', ids .. ':' .. g, id, value)
  local life = math.ceil(window + 2 * window / IDS_GENERATIONS)
  redis.call('PEXPIRE', ids .. ':' .. g, life)
  redis.call('PEXPIRE', ids, life)
end
