#!lua
-- Names a schedule's present form. A changed expression begins a new generation, from now on.
-- KEYS: 1 cron
-- ARGV: 1 schedule, 2 expression
-- Answers: {generation, high-water mark, ms, now}
-- uses: clock
local now = now_ms()
local had = redis.call('HMGET', KEYS[1], ARGV[1] .. ':expression', ARGV[1] .. ':generation', ARGV[1] .. ':mark')
if had[1] == ARGV[2] then return { tonumber(had[2]), tonumber(had[3]), now } end
local generation = tonumber(had[2] or '0') + 1
local mark = math.max(tonumber(had[3] or '0'), now)
redis.call('HSET', KEYS[1], ARGV[1] .. ':expression', ARGV[2], ARGV[1] .. ':generation', generation,
  ARGV[1] .. ':mark', mark)
return { generation, mark, now }
