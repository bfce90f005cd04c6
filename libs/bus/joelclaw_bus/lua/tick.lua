#!lua
-- Enqueues one nominal instant of a schedule, once for any number of schedulers.
-- KEYS: 1 stream, 2 cron
-- ARGV: 1 schedule, 2 generation, 3 nominal, ms, 4 advance only (0|1), 5… fields
-- Answers: {entry id or ''}; {0, mark} that instant is past (mark is not before it), or not yet come; {-1, generation} the schedule was changed
-- uses: clock
local had = redis.call('HMGET', KEYS[2], ARGV[1] .. ':generation', ARGV[1] .. ':mark')
if had[1] ~= ARGV[2] then return { -1, tonumber(had[1] or '0') } end
local nominal, mark = tonumber(ARGV[3]), tonumber(had[2] or '0')
if nominal <= mark or nominal > now_ms() then return { 0, mark } end
redis.call('HSET', KEYS[2], ARGV[1] .. ':mark', ARGV[3], ARGV[1] .. ':seen', now_ms())
if ARGV[4] == '1' then return { '' } end
local fields = {}
for i = 5, #ARGV do fields[#fields + 1] = ARGV[i] end
return { redis.call('XADD', KEYS[1], '*', unpack(fields)) }
