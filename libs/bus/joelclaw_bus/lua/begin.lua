#!lua flags=allow-oom
-- Decides whether this delivery runs: fences it with a claim, or drops a second entry of the same run.
-- KEYS: 1 source stream, 2 home stream, 3 run, 4 ids, 5 marks, 6 open
-- ARGV: 1 function, 2 consumer, 3 entry, 4 run id, 5 claim, 6 explicit event id ('' none), 7 record wanted (0|1),
--       8 most begins without an end, 9 dedupe window, ms
-- Answers: {0, why} not mine, nothing written; {1, now, begins, record} run it; {2, why} acknowledged, don't run it;
--          {3, now, begins, record} poison: end it as failed
-- unconfirmed: whoever reads the entry next begins it anew; the fence then refuses this one's writes
-- uses: clock, lease, record, ids, stream_id
local fn, entry, claim = ARGV[1], ARGV[3], ARGV[5]
local at = (KEYS[1] == KEYS[2] and 's' or 'r') .. entry
local count, why = owned(KEYS[1], fn, entry, ARGV[2])
if not count then return { 0, why } end
local now = now_ms()
local rec = redis.call('HMGET', KEYS[3], 'state', 'at', 'v', 'begins')
if rec[1] then
  if (tonumber(rec[3]) or 0) > RECORD_FORMAT then return { 0, 'newer' } end
  if rec[1] == 'ended' then ack(KEYS[1], KEYS[2], fn, entry) return { 2, 'ended' } end
  if rec[2] ~= at then ack(KEYS[1], KEYS[2], fn, entry) return { 2, 'open' } end
else
  if KEYS[1] ~= KEYS[2] then ack(KEYS[1], KEYS[2], fn, entry) return { 2, 'no record' } end
  if ARGV[6] ~= '' then
    local seen, where = ids_find(KEYS[4], ARGV[6])
    if not seen then
      ids_put(KEYS[4], ARGV[6], entry, now, tonumber(ARGV[9]))
    elseif seen == 'due' then
      redis.call('HSET', where, ARGV[6], entry)
    elseif seen ~= entry then
      -- The first entry serves this group too, unless the group began after it.
      local start = redis.call('HGET', KEYS[5], 'start:' .. fn)
      if not start or id_less(start, seen) then
        ack(KEYS[1], KEYS[2], fn, entry)
        return { 2, 'duplicate' }
      end
    end
  end
  if count == 1 and ARGV[7] == '0' then return { 1, now, 0, {} } end
  record_new(KEYS[3], KEYS[6], ARGV[4], fn, at, claim, now)
end
-- One that only buries it runs no handler: lost, it is no further begin.
local begins, most = tonumber(rec[4] or '0'), tonumber(ARGV[8])
if count > 1 and begins <= most then begins = redis.call('HINCRBY', KEYS[3], 'begins', 1) end
redis.call('HSET', KEYS[3], 'claim', claim)
redis.call('HDEL', KEYS[3], 'handed')
return { begins > most and 3 or 1, now, begins, redis.call('HGETALL', KEYS[3]) }
