#!lua
-- Names a schedule's present form. A changed expression begins a new generation, from now on. When the store has lost
-- it, what its scheduler still knows goes on: no instant is missed, and no older expression gets its generation.
-- KEYS: 1 cron
-- ARGV: 1 schedule, 2 expression, 3 generation, 4 mark, as the scheduler knows them (0: it begins)
-- Answers: {generation, high-water mark, ms, now}
-- uses: clock
local now = now_ms()
local had = redis.call('HMGET', KEYS[1], ARGV[1] .. ':expression', ARGV[1] .. ':generation', ARGV[1] .. ':mark')
if had[1] == ARGV[2] then return { tonumber(had[2]), tonumber(had[3]), now } end
local generation = math.max(tonumber(had[2] or '0'), tonumber(ARGV[3]) - 1) + 1
local mark = math.max(tonumber(had[3] or '0'), now)
if not had[1] and ARGV[4] ~= '0' then mark = tonumber(ARGV[4]) end
redis.call('HSET', KEYS[1], ARGV[1] .. ':expression', ARGV[2], ARGV[1] .. ':generation', generation,
  ARGV[1] .. ':mark', mark)
return { generation, mark, now }
