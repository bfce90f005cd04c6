#!lua flags=allow-oom
-- Repairs one run, if it still is as the auditor saw it: two auditors, or an owner who was only slow, do no harm.
-- KEYS: 1 run, 2 open, 3 ended, 4 due, 5 stream, 6 ready, 7 dead
-- ARGV: 1 run id, 2 function, 3 repair, 4 state, 5 at, 6 due, 7 claim, as seen ('' absent), 8 when it is to be due, ms
--       (0 now), 9 retention of ended runs, ms, 10 most dead letters, 11 error, 12 nudge channel, 13 slot name,
--       14 its event's entry ('' unknown)
-- Answers: 1 repaired; 0 it is not as it was seen, nothing written
-- unconfirmed: a repair that is lost leaves what was broken, and is done again
-- uses: clock, due, record
local now, run, fn, how = now_ms(), ARGV[1], ARGV[2], ARGV[3]
local rec = redis.call('HMGET', KEYS[1], 'state', 'at', 'due', 'claim')
for i = 1, 4 do if (rec[i] or '') ~= ARGV[3 + i] then return 0 end end
local there = redis.call('EXISTS', KEYS[1]) == 1
local function wake()
  redis.pcall('XGROUP', 'CREATE', KEYS[6], fn, '0', 'MKSTREAM') -- it may have been lost with its stream
  local entry = redis.call('XADD', KEYS[6], '*', 'run', run)
  redis.call('HSET', KEYS[1], 'fn', fn, 'state', 'queued', 'at', 'r' .. entry)
  redis.call('HDEL', KEYS[1], 'due')
  redis.call('ZREM', KEYS[4], 'r:' .. run)
  redis.call('ZADD', KEYS[2], 'NX', now, run)
end
if how == 'unlist' then -- open by its name only: nothing is behind it, or its event comes again by itself
  if there or redis.call('ZREM', KEYS[2], run) == 0 then return 0 end
elseif how == 'list' then -- open, but nobody would look at it, or it would vanish
  if not there or redis.call('PERSIST', KEYS[1]) + redis.call('ZADD', KEYS[2], 'NX', now, run) == 0 then return 0 end
elseif how == 'close' then -- it has ended, and is kept as long as an ended run is
  local kept = redis.call('PTTL', KEYS[1]) == -1
  if not there or (redis.call('ZREM', KEYS[2], run) == 0 and rec[1] == 'ended' and not kept) then return 0 end
  redis.call('HSET', KEYS[1], 'state', 'ended')
  redis.call('HSETNX', KEYS[1], 'ended', now)
  if kept then redis.call('PEXPIRE', KEYS[1], ARGV[9]) end
  redis.call('ZADD', KEYS[3], 'NX', now, run)
elseif how == 'rest' then -- it rests, and shall be woken when its record says
  local score, at = redis.call('ZSCORE', KEYS[4], 'r:' .. run), tonumber(ARGV[8])
  if at == 0 then at = now end
  if not there or (rec[1] and score and tonumber(score) == at and tonumber(rec[3]) == at) then return 0 end
  if not rec[1] then redis.call('HSET', KEYS[1], 'state', 'due') end
  redis.call('HSET', KEYS[1], 'due', string.format('%.0f', at), 'fn', fn)
  redis.call('ZADD', KEYS[2], 'NX', now, run)
  due_put(KEYS[4], ARGV[12], ARGV[13], 'r:' .. run, at)
elseif how == 'queued' then -- its entry is in somebody's hands, or will be: only the word was lost
  if not there then return 0 end
  redis.call('HSET', KEYS[1], 'state', 'queued', 'fn', fn)
  redis.call('ZADD', KEYS[2], 'NX', now, run)
elseif how == 'name' then -- its promoter and its begin read these, and could not go on without
  local had = redis.call('HMGET', KEYS[1], 'fn', 'v')
  if not there or (had[1] and tonumber(had[2])) then return 0 end
  redis.call('HSETNX', KEYS[1], 'fn', fn)
  if not tonumber(had[2] or '') then redis.call('HSET', KEYS[1], 'v', RECORD_FORMAT) end
elseif how == 'carry' then -- its event is still on the stream: it takes it along again
  if not there or redis.call('HEXISTS', KEYS[1], 'e:data') == 1 then return 0 end
  if record_body(KEYS[1], KEYS[5], ARGV[14]) == 0 then return 0 end
elseif how == 'regroup' then -- its function's group on the ready stream, where nothing is ever acknowledged and kept
  if redis.pcall('XGROUP', 'CREATE', KEYS[6], fn, '0', 'MKSTREAM').err then return 0 end
elseif how == 'queue' then -- the run carries its event, or its event is still on the stream: it goes on from its journal
  if not there or (ARGV[14] == '' and redis.call('HEXISTS', KEYS[1], 'e:data') == 0) then return 0 end
  if record_body(KEYS[1], KEYS[5], ARGV[14]) == 0 then return 0 end
  wake()
elseif how == 'renew' then -- the record is lost and the event is not: the run begins anew
  if there or not redis.call('XRANGE', KEYS[5], ARGV[14], ARGV[14])[1] then return 0 end
  record_new(KEYS[1], KEYS[2], run, fn, '', '', now)
  record_body(KEYS[1], KEYS[5], ARGV[14])
  wake()
elseif how == 'lose' then -- nothing is left to go on from: it ends, and its letter says so
  local letter = { 'kind', 'lost', 'function', fn, 'run', run, 'error', ARGV[11], 'buried', now }
  if ARGV[14] ~= '' then
    letter[#letter + 1] = 'e:entry'
    letter[#letter + 1] = ARGV[14]
  end
  redis.call('XADD', KEYS[7], 'MAXLEN', '~', ARGV[10], '*', unpack(letter))
  if there then
    redis.call('HSET', KEYS[1], 'state', 'ended', 'status', 'failed', 'error', ARGV[11], 'ended', now)
    redis.call('HDEL', KEYS[1], 'claim', 'at', 'begins', 'due', 'handed')
    redis.call('PEXPIRE', KEYS[1], ARGV[9])
    redis.call('ZADD', KEYS[3], now, run)
  end
  redis.call('ZREM', KEYS[2], run)
  redis.call('ZREM', KEYS[4], 'r:' .. run)
end
return 1
