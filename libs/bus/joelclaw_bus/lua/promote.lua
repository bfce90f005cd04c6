#!lua flags=allow-oom
-- Moves what is due to where it is read: runs to their ready stream, delayed events to the event stream.
-- KEYS: 1 due, 2 due items, 3 stream, 4 ids
-- ARGV: 1 how many at most, 2 dedupe window, ms
-- Answers: {moved, now, earliest left (-1 none), ms that the latest-moved was late}
-- unconfirmed: what was lost is due again, in the same slot
-- The run and ready keys are the due key's own slot: they are built from its tag, since the members name the runs.
-- uses: clock, ids
local now = now_ms()
local tag = KEYS[1]:sub(1, -4)
local rows = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'WITHSCORES', 'LIMIT', 0, ARGV[1])
local moved, late = 0, 0
for i = 1, #rows, 2 do
  local member, score = rows[i], tonumber(rows[i + 1])
  local name = member:sub(3)
  if member:sub(1, 2) == 'r:' then
    local key = tag .. 'run:' .. name
    local rec = redis.call('HMGET', key, 'state', 'due', 'fn')
    local due = (rec[1] == 'due' or rec[1] == 'held' or rec[1] == 'waiting') and tonumber(rec[2])
    if due and due > now then -- the index came back older than the record, which counts: nothing is early
      redis.call('ZADD', KEYS[1], due, member)
      member = false
    elseif due then
      local entry = redis.call('XADD', tag .. 'ready:' .. (rec[3] or name:match('^[^:]*')), '*', 'run', name)
      redis.call('HSET', key, 'state', 'queued', 'at', 'r' .. entry)
      redis.call('HDEL', key, 'due')
      moved = moved + 1
    end
  else
    local body = redis.call('HGET', KEYS[2], name)
    if body then
      local fields = cjson.decode(body)
      if fields[#fields - 1] == 'due' then fields[#fields], fields[#fields - 1] = nil, nil end -- its time, for the auditor
      local entry = redis.call('XADD', KEYS[3], '*', unpack(fields))
      local seen, where = ids_find(KEYS[4], name)
      if seen == 'due' then
        redis.call('HSET', where, name, entry)
      elseif not seen then
        ids_put(KEYS[4], name, entry, now, tonumber(ARGV[2]))
      end
      redis.call('HDEL', KEYS[2], name)
      moved = moved + 1
    end
  end
  if member then redis.call('ZREM', KEYS[1], member) end
  late = math.max(late, now - score)
end
local head = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return { moved, now, head[2] and tonumber(head[2]) or -1, late }
