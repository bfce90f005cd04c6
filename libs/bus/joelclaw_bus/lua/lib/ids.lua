-- The dedupe index: generations, newest first, each a hash from event id to entry id (or 'due' while it waits).
-- A generation ends after a 24th of the window or of the two million ids; a whole one goes when all of it is too old.
local IDS_GENERATIONS = 24
local IDS_PER_GENERATION = 83334
local ids_known -- {generation, start, …}, newest first: a script asks once for all of its ids (of one index)
local function ids_generations(ids)
  ids_known = ids_known or redis.call('ZREVRANGE', ids, 0, -1, 'WITHSCORES')
  return ids_known
end
local function ids_find(ids, id)
  local known = ids_generations(ids)
  for i = 1, #known, 2 do
    local seen = redis.call('HGET', ids .. ':' .. known[i], id)
    if seen then return seen, ids .. ':' .. known[i] end
  end
  return false
end
-- Lost whole, the index would look like that of a stream on which no ids were used. So the marks, a key of the same slot
-- that is built from its name, keep `UNTIL N`: generation N is there until then at least; and that it was found lost by
-- who began it anew. Marks of a wrong type (the auditor tells) must not fail what has written already.
local IDS_THERE, IDS_LOST = '~ids', '~ids-lost'
local function ids_marks(ids) return ids:sub(1, -4) .. 'marks' end
local function ids_gone(ids, now)
  local told = redis.pcall('HGET', ids_marks(ids), IDS_THERE)
  local till, g = string.match(type(told) == 'string' and told or '', '^(%d+) (%d+)$')
  return till and now < tonumber(till) and redis.call('EXISTS', ids .. ':' .. g) == 0
end
local function ids_put(ids, id, value, now, window)
  local newest = ids_generations(ids)
  local g, life = newest[1], math.ceil(window + 2 * window / IDS_GENERATIONS)
  local size = g and redis.call('HLEN', ids .. ':' .. g) or 0
  if not g or now - tonumber(newest[2]) >= window / IDS_GENERATIONS or size >= IDS_PER_GENERATION then
    if not g and ids_gone(ids, now) then redis.pcall('HSET', ids_marks(ids), IDS_LOST, now) end
    g, size, ids_known = string.format('%.0f', tonumber(g or '0') + 1), 0, nil
    redis.pcall('HSET', ids_marks(ids), IDS_THERE, string.format('%.0f %s', now + life, g))
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
  -- It takes ids for a 24th of the window: what it was given at its first outlasts the window of its last.
  if size == 0 then
    redis.call('PEXPIRE', ids .. ':' .. g, life)
    redis.call('PEXPIRE', ids, life)
  end
end
