#!lua flags=allow-oom
-- Holds one page of the open runs against the store: what nothing would wake is woken, what lost its event ends.
-- KEYS: 1 open, 2 ended, 3 due, 4 stream, 5 dead
-- ARGV: 1 rank to begin at, 2 how many at most, 3 retention of ended runs, ms, 4 most dead letters
-- Answers: {rank to go on at (0: from the start), runs put back, runs that lost their event}
-- The run and ready keys are the open key's own slot: they are built from its tag, since the members name the runs.
-- uses: clock
local now = now_ms()
local tag = KEYS[1]:sub(1, -5)
local first, most = tonumber(ARGV[1]), tonumber(ARGV[2])
local runs = redis.call('ZRANGE', KEYS[1], first, first + most - 1)
local mended, lost = {}, {}
for _, run in ipairs(runs) do
  local key = tag .. 'run:' .. run
  local rec = redis.call('HMGET', key, 'state', 'at', 'fn', 'due', 'e:data')
  local resting = rec[1] == 'due' or rec[1] == 'held' or rec[1] == 'waiting'
  if not rec[1] or rec[1] == 'ended' then
    redis.call('ZREM', KEYS[1], run)
    mended[#mended + 1] = run
  elseif resting and not redis.call('ZSCORE', KEYS[3], 'r:' .. run) then
    redis.call('ZADD', KEYS[3], rec[4], 'r:' .. run)
    mended[#mended + 1] = run
  elseif not resting and rec[2] and rec[2] ~= '' then
    local entry = rec[2]:sub(2)
    local source = rec[2]:sub(1, 1) == 'r' and tag .. 'ready:' .. rec[3] or KEYS[4]
    -- Deleted but pending: its owner may be about to end it. If not, a takeover strikes it, and then it is lost.
    local pending = redis.pcall('XPENDING', source, rec[3], entry, entry, 1)
    if not redis.call('XRANGE', source, entry, entry)[1] and (pending.err or not pending[1]) then
      if rec[5] then
        entry = redis.call('XADD', tag .. 'ready:' .. rec[3], '*', 'run', run)
        redis.call('HSET', key, 'state', 'queued', 'at', 'r' .. entry)
        mended[#mended + 1] = run
      else
        local error = 'its event was lost with its stream, before the run rested'
        redis.call('XADD', KEYS[5], 'MAXLEN', '~', ARGV[4], '*', 'kind', 'lost', 'function', rec[3], 'run', run,
          'error', error, 'e:entry', entry, 'buried', now)
        redis.call('HSET', key, 'state', 'ended', 'status', 'failed', 'error', error, 'ended', now)
        redis.call('HDEL', key, 'claim', 'at', 'begins')
        redis.call('PEXPIRE', key, ARGV[3])
        redis.call('ZREM', KEYS[1], run)
        redis.call('ZADD', KEYS[2], now, run)
        lost[#lost + 1] = run
      end
    end
  end
end
return { #runs < most and 0 or first + most, mended, lost }
