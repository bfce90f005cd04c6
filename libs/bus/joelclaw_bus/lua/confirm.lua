#!lua flags=allow-oom
-- Writes a trifle, so that the WAIT behind it waits for all that the script before it found or wrote: WAIT asks about
-- the connection's own last write, and a repeat that found everything done wrote nothing.
-- KEYS: 1 confirmed
-- ARGV: none
-- Answers: 1; 0 never
redis.call('SET', KEYS[1], '', 'PX', 60000)
return 1
