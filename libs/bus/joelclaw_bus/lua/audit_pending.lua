#!lua flags=allow-oom
-- Reads one page of an index of what waits (due, or an outbox) and one of its bodies, to be held against each other.
-- Writes nothing.
-- KEYS: 1 index, 2 bodies
-- ARGV: 1 cursor of the index, 2 how many, about, 3 cursor of the bodies, 4 how many, about, 5 'due' | 'outbox'
-- Answers: {now, next cursor, next cursor of the bodies, members, bodies}, flat; a member: its name, score, whether it
--          has a body (0|1), tries, its run's state and due ('' absent), its body if it was tried in vain ('' else);
--          a body: its id, whether it has a score (0|1), and the body of one that has none. A cursor is '0' at its end.
-- The run keys are the index's own slot: they are built from its tag, since the members name the runs.
-- unconfirmed: it only reads
-- uses: clock
local due = ARGV[5] == 'due'
local tag = KEYS[1]:match('^(.*}:)')
local page = redis.call('ZSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local members, bodies = {}, {}
for i = 1, #page[2], 2 do
  local member = page[2][i]
  local run = due and member:match('^r:(.*)$')
  local id = due and member:sub(3) or member
  local row = { member, page[2][i + 1], 1, 0, '', '', '' }
  if run then
    local rec = redis.call('HMGET', tag .. 'run:' .. run, 'state', 'due')
    row[5], row[6] = rec[1] or '', rec[2] or ''
  else
    row[3] = redis.call('HEXISTS', KEYS[2], id)
    row[4] = not due and tonumber(redis.call('HGET', KEYS[2], '#' .. id) or '0') or 0
    if row[4] > 0 then row[7] = redis.call('HGET', KEYS[2], id) or '' end
  end
  for _, value in ipairs(row) do members[#members + 1] = value end
end
local scan = redis.call('HSCAN', KEYS[2], ARGV[3], 'COUNT', ARGV[4])
for i = 1, #scan[2], 2 do
  local id, body = scan[2][i], scan[2][i + 1]
  local of = not due and id:match('^#(.*)$')
  -- The count of an item's tries is no body; one that counts for nothing has no score, and no body either.
  local scored = redis.call('ZSCORE', KEYS[1], (due and 'e:' or '') .. id)
      or (of and redis.call('HEXISTS', KEYS[2], of) == 1)
  for _, value in ipairs({ id, scored and 1 or 0, scored and '' or body }) do bodies[#bodies + 1] = value end
end
return { now_ms(), page[1], scan[1], members, bodies }
