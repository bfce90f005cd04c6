#!lua flags=allow-oom
-- Decides which of these deliveries run: fences each with a claim, or drops a second entry of the same run.
-- KEYS: 1 source stream, 2 home stream, 3 ids, 4 marks, 5 open, 6… the run of each
-- ARGV: 1 function, 2 consumer, 3 most begins without an end, 4 dedupe window, ms, then of each: entry, run id, claim,
--       explicit event id ('' none), record wanted (0|1|2: where the entry's id is ahead of the clock, so that nothing
--       else would say when the run first began), 0
-- Answers: of each {0, why} not mine, nothing written; {1, now, begins, record} run it; {2, why} acknowledged, don't
--          run it; {3, now, begins, record} poison: end it as failed; {4} nothing was looked at, ask again: the
--          answers of those before it are large
-- unconfirmed: whoever reads the entry next begins it anew; the fence then refuses this one's writes
-- uses: clock, lease, record, ids, stream_id, each
local fn, now, room = ARGV[1], now_ms(), 1048576
return each(6, 5, 6, function(run, entry, name, claim, given, wanted)
  if room <= 0 then return { 4 } end
  local at = (KEYS[1] == KEYS[2] and 's' or 'r') .. entry
  local count, why = owned(KEYS[1], fn, entry, ARGV[2])
  if not count then return { 0, why } end
  local rec = redis.call('HMGET', run, 'state', 'at', 'v', 'begins')
  if rec[1] then
    if (tonumber(rec[3]) or 0) > RECORD_FORMAT then return { 0, 'newer' } end
    if rec[1] == 'ended' then ack(KEYS[1], KEYS[2], fn, entry) return { 2, 'ended' } end
    if rec[2] ~= at then ack(KEYS[1], KEYS[2], fn, entry) return { 2, 'open' } end
  else
    if KEYS[1] ~= KEYS[2] then ack(KEYS[1], KEYS[2], fn, entry) return { 2, 'no record' } end
    if given ~= '' then
      local seen, where = ids_find(KEYS[3], given)
      if not seen then
        ids_put(KEYS[3], given, entry, now, tonumber(ARGV[4]))
      elseif seen == 'due' then
        redis.call('HSET', where, given, entry)
      elseif seen ~= entry then
        -- The first entry serves this group too, unless the group began after it.
        local start = redis.call('HGET', KEYS[4], 'start:' .. fn)
        if not start or id_less(start, seen) then
          ack(KEYS[1], KEYS[2], fn, entry)
          return { 2, 'duplicate' }
        end
      end
    end
    if wanted == '2' then wanted = tonumber(entry:match('^%d+')) > now and '1' or '0' end
    if count == 1 and wanted == '0' then return { 1, now, 0, {} } end
    record_new(run, KEYS[5], name, fn, at, claim, now)
  end
  -- One that only buries it runs no handler: lost, it is no further begin.
  local begins, most = tonumber(rec[4] or '0'), tonumber(ARGV[3])
  if count > 1 and begins <= most then begins = redis.call('HINCRBY', run, 'begins', 1) end
  redis.call('HSET', run, 'claim', claim)
  redis.call('HDEL', run, 'handed')
  local record = redis.call('HGETALL', run)
  for _, value in ipairs(record) do room = room - #value end
  return { begins > most and 3 or 1, now, begins, record }
end)
