#!lua flags=allow-oom
-- Ends an open run from outside: whatever it does or waits for, its own writes are refused from now on.
-- KEYS: 1 home stream, 2 run, 3 open, 4 ended, 5 due, 6 outbox, 7 outbox items
-- ARGV: 1 run id, 2 run key (slot|run), 3 why, 4 retention, ms, 5 only in this state ('' any), 6 only if it has not
--       moved since, ms (0 any)
-- Answers: {1, the state it was in} ended; {0, status} it had ended with that status; {0, ''} there is no such run;
--          {0, state} it is not, or no longer, as ARGV 5 and 6 say
-- The ready stream is the home stream's own slot: it is built from the run's key, since the record names the function.
-- uses: clock, lease, outbox, wait_spec
local now = now_ms()
local rec = redis.call('HMGET', KEYS[2], 'state', 'fn', 'at', 'status', 'wait', 'permit', 'cancels')
if not rec[1] then return { 0, '' } end
if rec[1] == 'ended' then return { 0, rec[4] } end
if ARGV[5] ~= '' and rec[1] ~= ARGV[5] then return { 0, rec[1] } end
if ARGV[6] ~= '0' and tonumber(redis.call('ZSCORE', KEYS[3], ARGV[1]) or '0') > tonumber(ARGV[6]) then
  return { 0, rec[1] }
end
if rec[3] and rec[3] ~= '' then
  local ready = KEYS[3]:sub(1, -5) .. 'ready:' .. rec[2]
  ack(rec[3]:sub(1, 1) == 'r' and ready or KEYS[1], KEYS[1], rec[2], rec[3]:sub(2))
end
if rec[1] == 'waiting' then
  -- What it waits for may be lost or unreadable: such a run is the one that somebody wants to end.
  local good, spec = pcall(wait_spec, redis.call('HGET', KEYS[2], 'w:' .. (rec[5] or '')) or '')
  if good and type(spec.events) == 'table' then call_off(KEYS[6], KEYS[7], spec, ARGV[2], rec[5], -1, now) end
end
if rec[7] then -- the waits for what cancels it (joelclaw_bus.cancels)
  local good, events = pcall(cjson.decode, rec[7])
  if good and type(events) == 'table' then
    call_off(KEYS[6], KEYS[7], { events = events }, ARGV[2], '~cancel', -1, now)
  end
end
if rec[6] then outbox_put(KEYS[6], KEYS[7], cjson.decode(rec[6]).id, rec[6], now) end
redis.call('HSET', KEYS[2], 'state', 'ended', 'status', 'cancelled', 'result', 'null', 'error', ARGV[3], 'ended', now)
redis.call('HDEL', KEYS[2], 'claim', 'at', 'begins', 'due', 'handed', 'by')
redis.call('PEXPIRE', KEYS[2], ARGV[4])
redis.call('ZREM', KEYS[5], 'r:' .. ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('ZADD', KEYS[4], now, ARGV[1])
return { 1, rec[1] }
