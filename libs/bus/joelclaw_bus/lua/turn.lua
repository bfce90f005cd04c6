#!lua flags=allow-oom
-- Gives a run its turn to start, at most so many in any period, or a place in the line: by when its event came, and kept
-- by run id.
-- Who lets its turn pass by two periods, 2 to 60 s (its run was cancelled, or nobody was there to wake it), is taken out
-- of the line, and keeps nobody else waiting; if it comes, it has its place again.
-- KEYS: 1 starts, 2 line, 3 turns of those in the line
-- ARGV: 1 member (slot|run), 2 most starts in a period, 3 period, ms, 4 when its event came, ms
-- Answers: {1} it may start now (again, when it had its turn within the period); {0, ms until its turn, how many wait
--          before it}
-- uses: clock
local member, most, period, now = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), now_ms()
local PASSED_MS = math.max(2000, math.min(60000, 2 * period))
if redis.call('ZSCORE', KEYS[1], member) then return { 1 } end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - period)
for _, passed in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now - PASSED_MS, 'LIMIT', 0, 1000)) do
  redis.call('ZREM', KEYS[2], passed)
  redis.call('ZREM', KEYS[3], passed)
end
redis.call('ZADD', KEYS[2], 'NX', ARGV[4], member)
local started, before = redis.call('ZCARD', KEYS[1]), redis.call('ZRANK', KEYS[2], member)
if started + before < most then
  redis.call('ZADD', KEYS[1], now, member)
  redis.call('PEXPIRE', KEYS[1], period)
  redis.call('ZREM', KEYS[2], member)
  redis.call('ZREM', KEYS[3], member)
  return { 1 }
end
-- It starts a period after the start that is `most` before its own, be that one of those there, or one yet to come.
local at, periods = started + before - most, 1
if at >= started then
  periods = periods + math.floor((at - started) / most) + 1
  at = at - (periods - 1) * most
end
local base = at >= 0 and tonumber(redis.call('ZRANGE', KEYS[1], at, at, 'WITHSCORES')[2]) or now - period
local turn = math.max(now + 1, base + periods * period)
redis.call('ZADD', KEYS[3], turn, member)
local life = math.ceil(turn - now + 2 * PASSED_MS)
for i = 2, 3 do
  if redis.call('PTTL', KEYS[i]) < life then redis.call('PEXPIRE', KEYS[i], life) end
end
return { 0, math.ceil(turn - now), before }
