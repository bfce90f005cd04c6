-- The run record. RECORD_FORMAT counts up when a field changes its meaning; a worker leaves newer records alone.
local RECORD_FORMAT = 1
local function record_new(key, open, run, fn, at, claim, now)
  redis.call('HSET', key, 'v', RECORD_FORMAT, 'run', run, 'fn', fn, 'state', 'queued', 'at', at,
    'claim', claim, 'attempt', 0, 'created', now)
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
