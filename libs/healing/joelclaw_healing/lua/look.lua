#!lua flags=no-writes
-- What a judgement needs to see, all of one moment. Reads only.
-- KEYS: 1 current (of the target)  2 done (of the move)  3 switch  4 pauses  5 storms  6 failing (of the group)
--   7 outages (of the target)  8 current (of the group's storm)  9… the budgets, in the order of their windows
-- ARGV: 1 the incident's id ('': the one that `current` names)  2 the target's name in its group  3 how far back failures
--   count as together, ms ('': nothing is asked about group, outages and storm)  4 so many of the newest outages
--   5… the budgets' windows, ms
-- Answers: {now, the incident's id, its fields, the move's outcome, switch, pauses, groups in a storm and until when,
--   spent per budget, how many others of the group failed, outages and their moments, the open storm's id}; of what is
--   not there '' or an empty list, 0: nothing was spent, or none failed
-- uses: clock
-- unconfirmed: it writes nothing
local now, id, incident = now_ms(), ARGV[1], KEYS[1]:match('^.-}:') .. 'incident:'
if id == '' then id = redis.call('GET', KEYS[1]) or '' end
local spent = {}
for i = 5, #ARGV do
  spent[#spent + 1] = redis.call('ZCOUNT', KEYS[4 + i], now - ARGV[i] + 1, '+inf')
end
local failing, outages, storm, window = 0, {}, '', tonumber(ARGV[3])
if window then
  failing = redis.call('ZCOUNT', KEYS[6], now - window + 1, '+inf')
  if tonumber(redis.call('ZSCORE', KEYS[6], ARGV[2]) or '0') > now - window then failing = failing - 1 end
  outages = redis.call('ZRANGE', KEYS[7], -ARGV[4], -1, 'WITHSCORES')
  storm = redis.call('GET', KEYS[8]) or ''
  local state = redis.call('HGET', incident .. storm, 'state')
  if not state or state == 'closed' then storm = '' end
end
return {
  now, id, redis.call('HGETALL', incident .. id), redis.call('GET', KEYS[2]) or '', redis.call('HGETALL', KEYS[3]),
  redis.call('HGETALL', KEYS[4]), redis.call('ZRANGE', KEYS[5], now + 1, '+inf', 'BYSCORE', 'WITHSCORES'),
  spent, failing, outages, storm,
}
