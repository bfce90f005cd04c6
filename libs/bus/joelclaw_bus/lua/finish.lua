#!lua flags=allow-oom
-- Ends a run: its status, result, dead letter, what it sends and the acknowledgement, in one step.
-- KEYS: 1 source stream, 2 home stream, 3 run, 4 open, 5 ended, 6 outbox, 7 outbox items, 8 dead
-- ARGV: 1 function, 2 consumer, 3 entry, 4 claim, 5 run id, 6 's'|'r' source mark, 7 status, 8 result (JSON),
--       9 error ('' none), 10 retention, ms, 11 keep a record (0|1), 12 most dead letters, 13… outbox item id, item, …
-- Answers: {1, now} ended (again, when this claim had ended it already); {0, why} not mine, nothing written
-- uses: clock, lease, record, outbox
local now = now_ms()
local rec = redis.call('HMGET', KEYS[3], 'state', 'claim', 'by', 'attempt')
local count, why = owned(KEYS[1], ARGV[1], ARGV[3], ARGV[2])
if not count then
  if rec[1] == 'ended' and rec[3] == ARGV[4] then return { 1, now } end
  -- Without a record its acknowledgement was its end: only a caller that asked before can know that it was his.
  return { 0, not rec[1] and why == 'gone' and 'acknowledged' or why }
end
if rec[1] and rec[2] ~= ARGV[4] then return { 0, 'claim' } end
local failed = ARGV[7] == 'failed'
if not rec[1] and (failed or ARGV[11] == '1' or ARGV[13]) then
  record_new(KEYS[3], KEYS[4], ARGV[5], ARGV[1], '', ARGV[4], now)
  rec[1] = 'queued'
end
if failed then
  record_body(KEYS[3], KEYS[2], ARGV[3])
  local letter = { 'kind', 'run', 'function', ARGV[1], 'run', ARGV[5], 'error', ARGV[9], 'buried', now }
  local all = redis.call('HGETALL', KEYS[3])
  for i = 1, #all, 2 do
    local name = all[i]
    if name:sub(1, 2) == 'e:' then
      letter[#letter + 1] = 'e:' .. name:sub(3)
      letter[#letter + 1] = all[i + 1]
    elseif name:sub(1, 2) == 'x:' or name == 'attempt' then
      letter[#letter + 1] = name
      letter[#letter + 1] = all[i + 1]
    end
  end
  redis.call('XADD', KEYS[8], 'MAXLEN', '~', ARGV[12], '*', unpack(letter))
end
if rec[1] then
  redis.call('HSET', KEYS[3], 'state', 'ended', 'status', ARGV[7], 'result', ARGV[8], 'ended', now, 'by', ARGV[4])
  if ARGV[9] ~= '' then redis.call('HSET', KEYS[3], 'error', ARGV[9]) end
  redis.call('HDEL', KEYS[3], 'claim', 'at', 'begins', 'due', 'handed')
  redis.call('PEXPIRE', KEYS[3], ARGV[10])
  redis.call('ZREM', KEYS[4], ARGV[5])
  redis.call('ZADD', KEYS[5], now, ARGV[5])
end
for i = 13, #ARGV, 2 do outbox_put(KEYS[6], KEYS[7], ARGV[i], ARGV[i + 1], now) end
ack(KEYS[1], KEYS[2], ARGV[1], ARGV[3])
return { 1, now }
