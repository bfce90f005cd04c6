#!lua flags=allow-oom
-- Records one step's result of each run, and what it sends, once: whoever comes second gets what the first recorded.
-- KEYS: 1 source stream, 2 open, 3 outbox, 4 outbox items, 5… the run of each
-- ARGV: 1 function, 2 consumer, 3 's'|'r' source mark, 4 most steps, 5 most bytes of a run, then of each: entry, claim,
--       run id, step, result (JSON), outbox item id ('' none), outbox item, when it began, ms, and how long ago that is,
--       ms, how many more; more: fields that are void now
-- Answers: of each {1, result, now} recorded; {0, why} not mine, nothing written; {2, what} a limit is reached
-- uses: clock, lease, record, outbox, each
local fn, now = ARGV[1], now_ms()
return each(5, 6, 10, function(run, entry, claim, name, step, result, item_id, item, began, age, fields)
  local count, why = owned(KEYS[1], fn, entry, ARGV[2])
  if not count then return { 0, why } end
  local rec = redis.call('HMGET', run, 'state', 'claim', 's:' .. step, 'steps', 'bytes')
  if rec[1] and rec[2] ~= claim then return { 0, 'claim' } end
  if rec[3] then return { 1, rec[3], now } end
  if tonumber(rec[4] or '0') >= tonumber(ARGV[4]) then return { 2, 'steps' } end
  local void = 0 -- of what a wait noted; it is in the result now
  for _, field in ipairs(fields) do
    if field:sub(1, 2) == 'a:' then void = void + redis.call('HSTRLEN', run, field) end
  end
  local bytes = tonumber(rec[5] or '0') + #result - void
  if bytes > tonumber(ARGV[5]) then return { 2, 'bytes' } end
  if not rec[1] then record_new(run, KEYS[2], name, fn, ARGV[3] .. entry, claim, now, began, age) end
  redis.call('HSET', run, 's:' .. step, result, 'bytes', math.max(0, bytes))
  redis.call('HINCRBY', run, 'steps', 1)
  redis.call('HDEL', run, 'begins', unpack(fields)) -- progress is no poison
  if item_id ~= '' then outbox_put(KEYS[3], KEYS[4], item_id, item, now) end
  return { 1, result, now }
end)
