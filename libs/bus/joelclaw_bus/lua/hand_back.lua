#!lua flags=allow-oom
-- A stopping worker lets go of all that it could not end: its leases count as run out at once.
-- KEYS: 1 stream
-- ARGV: 1 group, 2 consumer, 3 lease, ms, 4 how many at most
-- Answers: how many were its own; 0 when it held nothing
-- unconfirmed: the lease then runs out by itself
local rows = redis.pcall('XPENDING', KEYS[1], ARGV[1], '-', '+', ARGV[4], ARGV[2])
if rows.err then return 0 end
for _, row in ipairs(rows) do
  redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, row[1], 'IDLE', ARGV[3], 'JUSTID')
end
return #rows
