#!lua flags=allow-oom
-- Ends a run that has no record yet: whoever comes to its entry finds it ended, and acknowledges it.
-- KEYS: 1 home stream, 2 run, 3 ended
-- ARGV: 1 run id, 2 function, 3 entry, 4 why, 5 how long it is remembered, ms
-- Answers: {1, 'unread' | 'running'} ended; {0, its state} it has a record by now, nothing written; {0, 'acknowledged'}
--          it is over; {0, ''} there is no such entry
-- uses: clock, stream_id, record
local now = now_ms()
local state = redis.call('HGET', KEYS[2], 'state')
if state then return { 0, state } end
if not redis.call('XRANGE', KEYS[1], ARGV[3], ARGV[3])[1] then return { 0, '' } end
local was = 'unread'
local pending = redis.pcall('XPENDING', KEYS[1], ARGV[2], ARGV[3], ARGV[3], 1)
if not pending.err then
  for _, row in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    local g = {}
    for i = 1, #row, 2 do g[row[i]] = row[i + 1] end
    if g.name == ARGV[2] and not id_less(g['last-delivered-id'], ARGV[3]) then was = 'running' end
  end
  if was == 'running' and not pending[1] then return { 0, 'acknowledged' } end
end
redis.call('HSET', KEYS[2], 'v', RECORD_FORMAT, 'run', ARGV[1], 'fn', ARGV[2], 'state', 'ended', 'status', 'cancelled',
  'result', 'null', 'error', ARGV[4], 'attempt', 0, 'created', now, 'ended', now)
redis.call('PEXPIRE', KEYS[2], ARGV[5])
redis.call('ZADD', KEYS[3], now, ARGV[1])
if was == 'running' then redis.call('XACK', KEYS[1], ARGV[2], ARGV[3]) end
return { 1, was }
