#!lua flags=allow-oom
-- The elected claimer of a group takes over entries whose lease ran out: one page of the cursor.
-- A call that arrives later than its sender meant (a frozen store, a jumped clock) takes nothing.
-- A newer build takes the election from an older one, which would claim newer records only to refuse them, for ever.
-- KEYS: 1 stream, 2 claimer
-- ARGV: 1 group, 2 consumer, 3 lease, ms, 4 cursor, 5 how many at most, 6 server time as the caller reckons it, ms,
--       7 tolerance, ms, 8 how long the election lasts, ms
-- Answers: {1, now, next cursor, entries, deleted ids, ms until the next lease may run out (-1: none is half way)};
--          {0, now, ms that the election of another one lasts}; {-1, now} discontinuity
-- unconfirmed: the entry is then still the dead one's, and is taken over again
-- uses: clock, record
local now = now_ms()
if math.abs(now - tonumber(ARGV[6])) > tonumber(ARGV[7]) then return { -1, now } end
local holder = redis.call('GET', KEYS[2])
local me = RECORD_FORMAT .. '|' .. ARGV[2]
if holder and holder ~= me and tonumber(holder:match('^(%d+)|') or '0') >= RECORD_FORMAT then
  return { 0, now, redis.call('PTTL', KEYS[2]) }
end
redis.call('SET', KEYS[2], me, 'PX', ARGV[8])
local page = redis.call('XAUTOCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], 'COUNT', ARGV[5])
local lease, longest = tonumber(ARGV[3]), -1
for _, row in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], 'IDLE', math.floor(lease / 2), '-', '+', 100)) do
  longest = math.max(longest, row[3])
end
return { 1, now, page[1], page[2], page[3] or {}, longest < 0 and -1 or math.max(0, lease - longest) }
