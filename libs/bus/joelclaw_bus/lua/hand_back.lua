#!lua flags=allow-oom
-- A worker lets go of what it could not end, or can't begin: whoever looks next takes it, as if its lease had run out.
-- What is named was not begun: it counts as not delivered, or its next begin would count as one that had no end.
-- KEYS: 1 stream
-- ARGV: 1 group, 2 consumer, 3 lease, ms, 4 how many at most, 5… only these entries (none named: all that it holds)
-- Answers: how many were its own; 0 when it held nothing
-- unconfirmed: the lease then runs out by itself
-- uses: lease
local mine = {}
if ARGV[5] then
  for i = 5, #ARGV do
    local count = owned(KEYS[1], ARGV[1], ARGV[i], ARGV[2])
    if count then mine[#mine + 1] = { ARGV[i], math.max(0, count - 1) } end
  end
else
  local rows = redis.pcall('XPENDING', KEYS[1], ARGV[1], '-', '+', ARGV[4], ARGV[2])
  if rows.err then return 0 end
  for _, row in ipairs(rows) do mine[#mine + 1] = { row[1], row[4] } end
end
for _, row in ipairs(mine) do
  redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, row[1], 'IDLE', ARGV[3], 'RETRYCOUNT', row[2], 'JUSTID')
end
return #mine
