#!lua flags=allow-oom
-- Deletes consumers that are gone: nothing pending, and silent for long. Theirs would only be lost work otherwise.
-- KEYS: 1 stream
-- ARGV: 1 group, 2 consumer that asks, 3 silent for at least, ms
-- Answers: how many were deleted; 0 as well when the stream or its group is gone
-- unconfirmed: it is done again at the next round
local n = 0
local rows = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])
if rows.err then return 0 end
for _, row in ipairs(rows) do
  local c = {}
  for i = 1, #row, 2 do c[row[i]] = row[i + 1] end
  if c.pending == 0 and c.idle > tonumber(ARGV[3]) and c.name ~= ARGV[2] then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], c.name)
    n = n + 1
  end
end
return n
