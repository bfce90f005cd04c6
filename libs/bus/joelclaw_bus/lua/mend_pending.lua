#!lua flags=allow-oom
-- Repairs one member of an index of what waits, if it still lacks its other half.
-- KEYS: 1 index, 2 bodies, 3 ids, 4 its run (of a member that names none: any key of the slot)
-- ARGV: 1 member, 2 its body's id ('' none), 3 repair: put | drop | forget, 4 score, ms (0 now), 5 nudge channel, 6 slot name
-- Answers: 1 repaired; 0 it is not as it was seen, nothing written
-- unconfirmed: a repair that is lost leaves what was broken, and is done again
-- uses: clock, due, ids
local member, id, at = ARGV[1], ARGV[2], tonumber(ARGV[4])
local scored, body = redis.call('ZSCORE', KEYS[1], member), id ~= '' and redis.call('HEXISTS', KEYS[2], id) == 1
if ARGV[3] == 'put' then -- a body that nobody would ever come for
  if scored or not body then return 0 end
  due_put(KEYS[1], ARGV[5], ARGV[6], member, at == 0 and now_ms() or at)
elseif ARGV[3] == 'drop' then -- a time that nothing waits for: its body is lost, or its run doesn't rest
  if not scored or body then return 0 end
  if id == '' then
    local state = redis.call('HGET', KEYS[4], 'state')
    if state and state ~= 'ended' and state ~= 'queued' then return 0 end
  else
    -- The index of ids must not say that it waits: its producer may send it again.
    local seen, where = ids_find(KEYS[3], id)
    if seen == 'due' then redis.call('HDEL', where, id) end
  end
  redis.call('ZREM', KEYS[1], member)
elseif ARGV[3] == 'forget' then -- a count of tries of an item that is gone
  if redis.call('HEXISTS', KEYS[2], id:sub(2)) == 1 then return 0 end
  redis.call('HDEL', KEYS[2], id)
end
return 1
