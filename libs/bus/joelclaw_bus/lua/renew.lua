#!lua flags=allow-oom
-- Renews the leases of entries that this consumer still holds; the delivery count stays as it is.
-- One that was deleted while pending is left as it is: XCLAIM would strike it from the pending list without a word, and
-- its run could not end any more. If it doesn't end in time, a takeover strikes it and tells.
-- KEYS: 1 stream
-- ARGV: 1 group, 2 consumer, 3… entries
-- Answers: the entries that are no longer its own
-- unconfirmed: a lease that looks older only ends sooner, and the fence holds
-- uses: lease
local lost = {}
for i = 3, #ARGV do
  if owned(KEYS[1], ARGV[1], ARGV[i], ARGV[2]) then
    if redis.call('XRANGE', KEYS[1], ARGV[i], ARGV[i])[1] then
      redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'JUSTID')
    end
  else
    lost[#lost + 1] = ARGV[i]
  end
end
return lost
