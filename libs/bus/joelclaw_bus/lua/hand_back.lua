#!lua flags=allow-oom
-- A worker lets go of what it could not end, or can't begin: whoever looks next takes it, as if its lease had run out.
-- KEYS: 1 stream
-- ARGV: 1 group, 2 consumer, 3 lease, ms, 4 how many at most, 5… only these entries (none named: all that it holds)
-- Answers: how many were its own; 0 when it held nothing
-- unconfirmed: the lease then runs out by itself
-- uses: lease
local mine = {}
if ARGV[5] then
  for i = 5, #ARGV do
    if owned(KEYS[1], ARGV[1], ARGV[i], ARGV[2]) then mine[#mine + 1] = ARGV[i] end
  end
else
  local rows = redis.pcall('XPENDING', KEYS[1], ARGV[1], '-', '+', ARGV[4], ARGV[2])
  if rows.err then return 0 end
  for _, row in ipairs(rows) do mine[#mine + 1] = row[1] end
end
for _, entry in ipairs(mine) do
  redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, entry, 'IDLE', ARGV[3], 'JUSTID')
end
return #mine
