#!lua flags=allow-oom
-- Reads what a slot knows of its groups and ids. Writes nothing.
-- KEYS: 1 stream, 2 marks, 3 ids
-- ARGV: 1 dedupe window, ms
-- Answers: {now, names of the groups, fields of the marks, generations of the last window that are lost, 1 when all of
--          them are, or were when the next one began (else 0)}
-- The generations are the ids key's own slot: they are built from it, since its members name them.
-- unconfirmed: it only reads
-- uses: clock, ids
local now, names, lost = now_ms(), {}, {}
local rows = redis.pcall('XINFO', 'GROUPS', KEYS[1])
for _, row in ipairs(rows.err and {} or rows) do
  for i = 1, #row, 2 do if row[i] == 'name' then names[#names + 1] = row[i + 1] end end
end
local all = redis.call('ZRANGE', KEYS[3], 0, -1, 'WITHSCORES')
for i = 1, #all, 2 do
  -- Older ones may have expired before a newer one takes their name off the list.
  if now - tonumber(all[i + 1]) < tonumber(ARGV[1]) and redis.call('EXISTS', KEYS[3] .. ':' .. all[i]) == 0 then
    lost[#lost + 1] = all[i]
  end
end
local whole = redis.call('HEXISTS', KEYS[2], IDS_LOST) == 1 or (not all[1] and ids_gone(KEYS[3], now))
return { now, names, redis.call('HKEYS', KEYS[2]), lost, whole and 1 or 0 }
