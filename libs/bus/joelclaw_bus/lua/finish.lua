#!lua flags=allow-oom
-- Ends runs: of each its status, result, dead letter, what it sends and the acknowledgement, in one step.
-- KEYS: 1 source stream, 2 home stream, 3 open, 4 ended, 5 outbox, 6 outbox items, 7 dead, 8… the run of each
-- ARGV: 1 function, 2 consumer, 3 retention, ms, 4 most dead letters, then of each: entry, claim, run id, status,
--       result (JSON), error ('' none), keep a record (0|1), how many more; more: outbox item id, item, …
-- Answers: of each {1, now} ended (again, when this claim had ended it already); {0, why} not mine, nothing written
-- uses: clock, lease, record, outbox, each
local fn, now = ARGV[1], now_ms()
local function letter_of(run, name, failure)
  local letter = { 'kind', 'run', 'function', fn, 'run', name, 'error', failure, 'buried', now }
  local all = redis.call('HGETALL', run)
  for i = 1, #all, 2 do
    local field = all[i]
    if field:sub(1, 2) == 'e:' or field:sub(1, 2) == 'x:' or field == 'attempt' then
      letter[#letter + 1] = field
      letter[#letter + 1] = all[i + 1]
    end
  end
  return letter
end
return each(8, 5, 8, function(run, entry, claim, name, status, result, failure, keep, items)
  local rec = redis.call('HMGET', run, 'state', 'claim', 'by', 'attempt')
  local count, why = owned(KEYS[1], fn, entry, ARGV[2])
  if not count then
    if rec[1] == 'ended' and rec[3] == claim then return { 1, now } end
    -- Without a record its acknowledgement was its end: only a caller that asked before can know that it was his.
    return { 0, not rec[1] and why == 'gone' and 'acknowledged' or why }
  end
  if rec[1] and rec[2] ~= claim then return { 0, 'claim' } end
  local failed = status == 'failed'
  if not rec[1] and (failed or keep == '1' or items[1]) then
    record_new(run, KEYS[3], name, fn, '', claim, now)
    rec[1] = 'queued'
  end
  if failed then
    record_body(run, KEYS[2], entry)
    redis.call('XADD', KEYS[7], 'MAXLEN', '~', ARGV[4], '*', unpack(letter_of(run, name, failure)))
  end
  if rec[1] then
    redis.call('HSET', run, 'state', 'ended', 'status', status, 'result', result, 'ended', now, 'by', claim)
    if failure ~= '' then redis.call('HSET', run, 'error', failure) end
    redis.call('HDEL', run, 'claim', 'at', 'begins', 'due', 'handed')
    redis.call('PEXPIRE', run, ARGV[3])
    redis.call('ZREM', KEYS[3], name)
    redis.call('ZADD', KEYS[4], now, name)
  end
  for i = 1, #items, 2 do outbox_put(KEYS[5], KEYS[6], items[i], items[i + 1], now) end
  ack(KEYS[1], KEYS[2], fn, entry)
  return { 1, now }
end)
