#!lua flags=allow-oom
-- Remembers one small, expiring word about an alert, unless another one was put there meanwhile. It runs in a full
-- store too: who could not note that a page was sent would send it again and again.
-- KEYS: 1 the word
-- ARGV: 1 what was found there ('' nothing), 2 the new word, 3 for how long (ms)
-- Answers: 1 it stands | 0: something else is there now, look again
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
