#!lua flags=allow-oom
-- The elected claimer of a group takes over entries whose lease ran out: one page of the cursor.
-- A call that arrives later than its sender meant (a frozen store, a jumped clock) takes nothing.
-- KEYS: 1 stream, 2 claimer
-- ARGV: 1 group, 2 consumer, 3 lease, ms, 4 cursor, 5 how many at most, 6 server time as the caller reckons it, ms,
--       7 tolerance, ms, 8 how long the election lasts, ms
-- Answers: {1, now, next cursor, entries, deleted ids}; {0, now} another one is the claimer; {-1, now} discontinuity
-- unconfirmed: the entry is then still the dead one's, and is taken over again
-- uses: clock
local now = now_ms()
if math.abs(now - tonumber(ARGV[6])) > tonumber(ARGV[7]) then return { -1, now } end
local holder = redis.call('GET', KEYS[2])
if holder and holder ~= ARGV[2] then return { 0, now } end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[8])
local page = redis.call('XAUTOCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], 'COUNT', ARGV[5])
return { 1, now, page[1], page[2], page[3] or {} }
