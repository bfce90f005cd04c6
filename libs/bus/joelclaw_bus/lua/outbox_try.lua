#!lua flags=allow-oom
-- Counts one try of an item, just before it is sent: what was counted may have arrived, what was not never was sent.
-- KEYS: 1 outbox items
-- ARGV: 1 item id
-- Answers: how often it was tried, with this try; 0 when it is gone, so that there is nothing to try
-- unconfirmed: a count that is lost lets its item be taken sooner; one made twice is a try that may have been
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
return redis.call('HINCRBY', KEYS[1], '#' .. ARGV[1], 1)
