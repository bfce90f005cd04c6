#!lua flags=allow-oom
-- Makes one move of one incident, if it is still as it was when it was judged: incident, indexes, budgets, audit and
-- all letters together. Idempotent by the move's id.
-- KEYS: 1 done (this move's record)  2 incident  3 audit  4 current (of the target)  5 open  6 closed  7 queue
--   8 switch  9 outbox  10 outbox items  11 pauses  12 storms  13 failing (of the group)  14 outages (of the target)
--   15… the budgets, in the order of `charges`
-- ARGV: 1 the move, JSON: id, incident ('' touches none), seq (judged; 0 is new), current (seen, '' is none), state,
--   fields, acts, scopes (pauses of these bar an act), storm {group ('' none), target, limit, window (both bar an act),
--   failed (this is a failure of it), rages_ms (a storm from now on, for so long; 0 none)}, outage (one more begins),
--   charges [{limit, window}], letters [{id, item}], audit, outcome, keep {done, incident, current, audit, outages}
-- Answers: {'made', outcome} | {'earlier', its outcome} | {'stopped'} | {'paused'} | {'storm'}
--   | {'full', index of the budget, from 0} | 0: the incident moved meanwhile, judge it again
-- uses: clock, outbox, pauses, storms
local m = cjson.decode(ARGV[1])
local earlier = redis.call('GET', KEYS[1])
if earlier then return {'earlier', earlier} end
if m.incident ~= '' then
  if (redis.call('GET', KEYS[4]) or '') ~= m.current then return 0 end
  if (redis.call('HGET', KEYS[2], 'seq') or '0') ~= m.seq then return 0 end
end
local now, storm = now_ms(), m.storm
if m.acts then
  if redis.call('EXISTS', KEYS[8]) == 1 then return {'stopped'} end
  if paused(KEYS[11], m.scopes, now) then return {'paused'} end
  if storm.group ~= '' and stormy(KEYS[12], KEYS[13], storm.group, storm.target, storm.limit, storm.window, now) then
    return {'storm'}
  end
end
for i, charge in ipairs(m.charges) do
  if redis.call('ZCOUNT', KEYS[14 + i], now - charge.window + 1, '+inf') >= charge.limit then
    return {'full', tostring(i - 1)}
  end
end

redis.call('SET', KEYS[1], m.outcome, 'PX', m.keep.done)
for i, charge in ipairs(m.charges) do
  redis.call('ZREMRANGEBYSCORE', KEYS[14 + i], '-inf', now - charge.window)
  redis.call('ZADD', KEYS[14 + i], now, m.id)
  redis.call('PEXPIRE', KEYS[14 + i], charge.window)
end
for _, letter in ipairs(m.letters) do
  outbox_put(KEYS[9], KEYS[10], letter.id, letter.item, now)
end
if m.incident == '' then return {'made', m.outcome} end
local flat = {}
for field, value in pairs(m.fields) do
  flat[#flat + 1], flat[#flat + 2] = field, value
end
if #flat > 0 then redis.call('HSET', KEYS[2], unpack(flat)) end
redis.call('RPUSH', KEYS[3], m.audit)
redis.call('LTRIM', KEYS[3], -m.keep.audit, -1)
if storm.failed and storm.window > 0 then
  redis.call('ZADD', KEYS[13], now, storm.target)
  redis.call('ZREMRANGEBYSCORE', KEYS[13], '-inf', now - storm.window)
  redis.call('PEXPIRE', KEYS[13], storm.window)
end
if storm.rages_ms > 0 then
  redis.call('ZADD', KEYS[12], 'GT', now + storm.rages_ms, storm.group)
  redis.call('ZREMRANGEBYSCORE', KEYS[12], '-inf', now)
  if redis.call('PTTL', KEYS[12]) < storm.rages_ms then redis.call('PEXPIRE', KEYS[12], storm.rages_ms) end
end
if m.outage then
  redis.call('ZADD', KEYS[14], now, m.id)
  redis.call('ZREMRANGEBYSCORE', KEYS[14], '-inf', now - m.keep.outages)
  redis.call('PEXPIRE', KEYS[14], m.keep.outages)
end
if m.state == 'escalated' then
  redis.call('ZADD', KEYS[7], 'NX', now, m.incident)
else
  redis.call('ZREM', KEYS[7], m.incident)
end
if m.state == 'closed' then
  redis.call('SET', KEYS[4], m.incident, 'PX', m.keep.current)
  redis.call('PEXPIRE', KEYS[2], m.keep.incident)
  redis.call('PEXPIRE', KEYS[3], m.keep.incident)
  redis.call('ZREM', KEYS[5], m.incident)
  redis.call('ZADD', KEYS[6], now, m.incident)
  redis.call('ZREMRANGEBYSCORE', KEYS[6], '-inf', now - m.keep.incident)
  redis.call('ZREM', KEYS[13], storm.target)
else
  redis.call('SET', KEYS[4], m.incident)
  redis.call('PERSIST', KEYS[2])
  redis.call('PERSIST', KEYS[3])
  redis.call('ZADD', KEYS[5], 'NX', now, m.incident)
  redis.call('ZREM', KEYS[6], m.incident)
end
return {'made', m.outcome}
