#!lua flags=allow-oom
-- Writes one judged round: the checks, the round, and the letters of its transitions, together or not at all.
-- KEYS: 1 checks (hash)  2 round  3 seq  4 done (this round's record)  5 outbox  6 outbox items
-- ARGV: 1 the round, JSON: seq (that was judged on), checks {key: JSON}, gone [key], round (JSON text),
--   letters [{id, item}], outcome (JSON text), keep (ms)
-- Answers: {'made', outcome} | {'earlier', its outcome} | 0: another round was written meanwhile, judge again
-- uses: clock, outbox
local earlier = redis.call('GET', KEYS[4])
if earlier then return {'earlier', earlier} end
local m = cjson.decode(ARGV[1])
if (redis.call('GET', KEYS[3]) or '0') ~= m.seq then return 0 end

redis.call('INCR', KEYS[3])
redis.call('SET', KEYS[4], m.outcome, 'PX', m.keep)
for key, check in pairs(m.checks) do redis.call('HSET', KEYS[1], key, check) end
for _, key in ipairs(m.gone) do redis.call('HDEL', KEYS[1], key) end
redis.call('SET', KEYS[2], m.round)
local now = now_ms()
for _, letter in ipairs(m.letters) do outbox_put(KEYS[5], KEYS[6], letter.id, letter.item, now) end
return {'made', m.outcome}
