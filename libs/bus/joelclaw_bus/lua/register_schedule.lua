#!lua
-- Names a schedule's present form. Another expression begins a new generation, from now on; only who began later than
-- the one that stands, or finds its schedulers silent, may put it: an old one that lost the store for a moment may not.
-- When the store has lost it, what its scheduler still knows goes on: no instant is missed.
-- KEYS: 1 cron
-- ARGV: 1 schedule, 2 expression, 3 generation, 4 mark, as the scheduler knows them (0: it begins),
--       5 when it first registered, server us (0: now), 6 silence after which a schedule is abandoned, ms
-- Answers: {generation, high-water mark, ms, now, first registration, us, 1 its expression stands | 0 another's does,
--          1 the store had lost what the scheduler knew | 0}
-- unconfirmed: its scheduler knows it and puts it back
-- uses: clock
local now = now_ms()
local t = redis.call('TIME')
local first = tonumber(ARGV[5])
if first == 0 then first = t[1] * 1000000 + t[2] end
local function name(field) return ARGV[1] .. ':' .. field end
local had = redis.call('HMGET', KEYS[1], name('expression'), name('generation'), name('mark'), name('since'), name('seen'))
local since, seen = tonumber(had[4] or '0'), tonumber(had[5] or '0')
local whole = had[1] and had[2] and had[3]
if whole and had[1] == ARGV[2] then
  redis.call('HSET', KEYS[1], name('since'), string.format('%.0f', math.max(since, first)), name('seen'), now)
  return { tonumber(had[2]), tonumber(had[3]), now, first, 1, 0 }
end
if whole and first <= since and now - seen <= tonumber(ARGV[6]) then
  return { tonumber(had[2]), tonumber(had[3]), now, first, 0, 0 }
end
local generation = math.max(tonumber(had[2] or '0'), tonumber(ARGV[3]) - 1) + 1
local mark = math.max(tonumber(had[3] or '0'), now)
if not whole and ARGV[4] ~= '0' then mark = math.max(tonumber(ARGV[4]), tonumber(had[3] or '0')) end
redis.call('HSET', KEYS[1], name('expression'), ARGV[2], name('generation'), generation, name('mark'), mark,
  name('since'), string.format('%.0f', first), name('seen'), now)
return { generation, mark, now, first, 1, not whole and ARGV[3] ~= '0' and 1 or 0 }
