#!lua
-- Puts a dead letter's event back on its stream under a new id, and takes the letter away.
-- KEYS: 1 stream, 2 dead
-- ARGV: 1 letter id, 2… fields of the new entry
-- Answers: the new entry id; '' no such letter
if not redis.call('XRANGE', KEYS[2], ARGV[1], ARGV[1])[1] then return '' end
local fields = {}
for i = 2, #ARGV do fields[#fields + 1] = ARGV[i] end
local entry = redis.call('XADD', KEYS[1], '*', unpack(fields))
redis.call('XDEL', KEYS[2], ARGV[1])
return entry
