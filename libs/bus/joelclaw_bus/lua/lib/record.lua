-- The run record. RECORD_FORMAT counts up when a field changes its meaning; a worker leaves newer records alone.
local RECORD_FORMAT = 1
-- began, age: when this begin was by the server's clock, and how long ago by its worker's own (0: now). The earlier of
-- the two counts, since that clock may have been set either way in between: what came since then, the run may look back for.
local function record_new(key, open, run, fn, at, claim, now, began, age)
  local created = (began or '0') ~= '0' and math.min(tonumber(began), now - tonumber(age)) or now
  redis.call('HSET', key, 'v', RECORD_FORMAT, 'run', run, 'fn', fn, 'state', 'queued', 'at', at,
    'claim', claim, 'attempt', 0, 'created', string.format('%.0f', created))
  redis.call('ZADD', open, now, run)
end
-- The event moves into the record before its entry is acknowledged: from then on the stream may be trimmed.
-- 0 when the entry is gone and no copy exists.
local function record_body(key, home, entry)
  if redis.call('HEXISTS', key, 'e:data') == 1 then return 1 end
  local rows = redis.call('XRANGE', home, entry, entry)
  if not rows[1] then return 0 end
  redis.call('HSET', key, 'e:entry', entry)
  for i = 1, #rows[1][2], 2 do redis.call('HSET', key, 'e:' .. rows[1][2][i], rows[1][2][i + 1]) end
  return 1
end
