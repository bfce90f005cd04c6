#!lua flags=allow-oom
-- Renews the leases of entries that this consumer still holds; the delivery count stays as it is.
-- KEYS: 1 stream
-- ARGV: 1 group, 2 consumer, 3… entries
-- Answers: the entries that are no longer its own
-- uses: lease
local lost = {}
for i = 3, #ARGV do
  if owned(KEYS[1], ARGV[1], ARGV[i], ARGV[2]) then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'JUSTID')
  else
    lost[#lost + 1] = ARGV[i]
  end
end
return lost
