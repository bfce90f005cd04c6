#!lua flags=allow-oom
-- Makes one move of one guarded target, if its record is still as it was when it was judged: record, budgets, group,
-- audit and all letters together. An act's intent is written here, with its cool-down, before anything is done.
-- KEYS: 1 done (this move's record)  2 record  3 audit  4 acts (when it was acted on)  5 members of its group
--   6 who is acted on now in its group  7 switch  8 outbox  9 outbox items  10 pauses  11 acts of all targets
-- ARGV: 1 the move, JSON: id, seq (judged; '0' is new), next, target, body, acts (refused by the kill switch),
--   scopes (pauses of these bar an act that is charged; none: a person orders it),
--   charge (false, or {limits [{limit, window}], all {limit, window}, share, until_ms}), release, letters [{id, item}],
--   audit ('' none), outcome, keep {done, record, audit, member}
-- Answers: {'made', outcome} | {'earlier', its outcome} | {'stopped'} | {'paused'} | {'full', index of the limit, from 0;
--   the group and all targets come after them} | 0: the target moved meanwhile, judge it again
-- uses: clock, outbox, pauses
local m = cjson.decode(ARGV[1])
local earlier = redis.call('GET', KEYS[1])
if earlier then return {'earlier', earlier} end
if (redis.call('HGET', KEYS[2], 'seq') or '0') ~= m.seq then return 0 end
if m.acts and redis.call('EXISTS', KEYS[7]) == 1 then return {'stopped'} end
local now = now_ms()
if m.charge then
  if #m.scopes > 0 and paused(KEYS[10], m.scopes, now) then return {'paused'} end
  for i, charge in ipairs(m.charge.limits) do
    if redis.call('ZCOUNT', KEYS[4], now - charge.window + 1, '+inf') >= charge.limit then
      return {'full', tostring(i - 1)}
    end
  end
  local known = redis.call('ZSCORE', KEYS[5], m.target) and 0 or 1
  local size = redis.call('ZCOUNT', KEYS[5], now - m.keep.member, '+inf') + known
  local others = redis.call('ZCOUNT', KEYS[6], now + 1, '+inf')
  if tonumber(redis.call('ZSCORE', KEYS[6], m.target) or '0') > now then others = others - 1 end
  if others >= math.max(1, math.floor(size * m.charge.share)) then return {'full', tostring(#m.charge.limits)} end
  if redis.call('ZCOUNT', KEYS[11], now - m.charge.all.window + 1, '+inf') >= m.charge.all.limit then
    return {'full', tostring(#m.charge.limits + 1)}
  end
end

redis.call('SET', KEYS[1], m.outcome, 'PX', m.keep.done)
redis.call('HSET', KEYS[2], 'seq', m.next, 'body', m.body)
redis.call('PEXPIRE', KEYS[2], m.keep.record)
redis.call('ZADD', KEYS[5], now, m.target)
redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', now - m.keep.member)
redis.call('PEXPIRE', KEYS[5], m.keep.member)
if m.charge then
  local widest = m.charge.limits[#m.charge.limits].window
  redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now - widest)
  redis.call('ZADD', KEYS[4], now, m.id)
  redis.call('PEXPIRE', KEYS[4], widest)
  redis.call('ZADD', KEYS[11], now, m.id)
  redis.call('ZREMRANGEBYSCORE', KEYS[11], '-inf', now - m.charge.all.window)
  redis.call('PEXPIRE', KEYS[11], m.charge.all.window)
  redis.call('ZADD', KEYS[6], m.charge.until_ms, m.target)
  redis.call('ZREMRANGEBYSCORE', KEYS[6], '-inf', now)
  redis.call('PEXPIRE', KEYS[6], m.keep.member)
end
if m.release then redis.call('ZREM', KEYS[6], m.target) end
for _, letter in ipairs(m.letters) do
  outbox_put(KEYS[8], KEYS[9], letter.id, letter.item, now)
end
if m.audit ~= '' then
  redis.call('RPUSH', KEYS[3], m.audit)
  redis.call('LTRIM', KEYS[3], -m.keep.audit, -1)
  redis.call('PEXPIRE', KEYS[3], m.keep.record)
end
return {'made', m.outcome}
