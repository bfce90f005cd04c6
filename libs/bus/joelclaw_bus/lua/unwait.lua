#!lua flags=allow-oom
-- Takes waits away that were ended, and lets go of the entry that ended them.
-- KEYS: 1 stream, 2 waits, 3 wait items, 4 wait index, 5 wait forms
-- ARGV: 1 group, 2 consumer, 3 entry ('' none), 4… wait ids
-- Answers: how many there were; 0 when they had gone already
-- uses: lease, waits
local n = 0
for i = 4, #ARGV do n = n + wait_remove(2, ARGV[i]) end
if ARGV[3] ~= '' and owned(KEYS[1], ARGV[1], ARGV[3], ARGV[2]) then redis.call('XACK', KEYS[1], ARGV[1], ARGV[3]) end
return n
