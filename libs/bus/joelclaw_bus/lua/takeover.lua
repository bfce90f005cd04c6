#!lua flags=allow-oom
-- The elected claimer of a group takes over entries whose lease ran out: one page of the cursor.
-- A call that arrives later than its sender meant (a frozen store, a jumped clock) takes nothing.
-- A newer build takes the election from an older one, which would claim newer records only to refuse them, for ever.
-- A claimer that got all that it asked for may have no place for more: unless it asks again, another one may.
-- What only a newer build can begin stays as it is: who found that out looks at it no more for a while.
-- KEYS: 1 stream, 2 claimer
-- ARGV: 1 group, 2 consumer, 3 lease, ms, 4 cursor, 5 how many at most, 6 server time as the caller reckons it, ms,
--       7 tolerance, ms, 8 how long the election lasts, ms (0: it ends with this call), 9… entries that it leaves alone
-- Answers: {1, now, next cursor, entries, deleted ids, ms until the next lease may run out (-1: none is half way)};
--          {0, now, ms that the election of another one lasts, ms until …}; {-1, now} discontinuity
-- unconfirmed: the entry is then still the dead one's, and is taken over again
-- uses: clock, record
local now = now_ms()
if math.abs(now - tonumber(ARGV[6])) > tonumber(ARGV[7]) then return { -1, now } end
local lease = tonumber(ARGV[3])
local alone = {}
for i = 9, #ARGV do alone[ARGV[i]] = true end
local function next_runs_out()
  local longest, most = -1, 100 + math.max(0, #ARGV - 8)
  for _, row in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], 'IDLE', math.floor(lease / 2), '-', '+', most)) do
    if not alone[row[1]] then longest = math.max(longest, row[3]) end
  end
  return longest < 0 and -1 or math.max(0, lease - longest)
end
local holder = redis.call('GET', KEYS[2])
local me = RECORD_FORMAT .. '|' .. ARGV[2]
if holder and holder ~= me and tonumber(holder:match('^(%d+)|') or '0') >= RECORD_FORMAT then
  return { 0, now, redis.call('PTTL', KEYS[2]), next_runs_out() }
end
local held = {}
if ARGV[9] then -- a look goes past at most ten times as many entries as it may take
  local most = tonumber(ARGV[5]) * 10
  for _, row in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], 'IDLE', lease, ARGV[4], '+', most)) do
    if alone[row[1]] then held[row[1]] = row end
  end
end
local page = redis.call('XAUTOCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], 'COUNT', ARGV[5])
local taken, gone = {}, page[3] or {}
for _, row in ipairs(page[2]) do
  local was = held[row[1]]
  if was then
    redis.call('XCLAIM', KEYS[1], ARGV[1], was[2], 0, row[1], 'IDLE', was[3], 'RETRYCOUNT', was[4], 'JUSTID')
  else
    taken[#taken + 1] = row
  end
end
if ARGV[8] == '0' or #taken + #gone >= tonumber(ARGV[5]) then
  redis.call('DEL', KEYS[2])
else
  redis.call('SET', KEYS[2], me, 'PX', ARGV[8])
end
return { 1, now, page[1], taken, gone, next_runs_out() }
