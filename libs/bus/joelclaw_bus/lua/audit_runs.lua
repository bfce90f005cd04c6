#!lua flags=allow-oom
-- Reads one page of a slot's open runs, or the runs named, each with what the store has for it. Writes nothing.
-- KEYS: 1 open, 2 due, 3 stream, 4 ids
-- ARGV: 1 cursor ('' only those named), 2 how many, about, 3… runs
-- Answers: {now, next cursor ('0' the end), rows}, flat; a row: run, among the open (0|1), time to live, ms (-1 none, -2 no
--          record), due score ('' none), entry in its stream (0|1), entry pending (0|1), group there (0|1), entry not
--          delivered yet (0|1), its event's entry ('' not needed, or gone), its function by its record or
--          its name, the record's v, state, at, fn, due, claim, ended ('' absent), what a waiting one
--          has still to get (JSON: [event, STEP:NUMBER] each; '' it does not say), and whether it has a body (0|1)
-- The run and ready keys are the open key's own slot: they are built from its tag, since the members name the runs.
-- unconfirmed: it only reads
-- uses: clock, ids, stream_id, outbox, wait_spec
local tag = KEYS[1]:sub(1, -5)
local cursor, runs = '0', {}
if ARGV[1] ~= '' then
  local page = redis.call('ZSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
  cursor = page[1]
  for i = 1, #page[2], 2 do runs[#runs + 1] = page[2][i] end
end
for i = 3, #ARGV do runs[#runs + 1] = ARGV[i] end
local marks = {}
local function delivered(stream, group)
  local name = stream .. '|' .. group
  if marks[name] == nil then
    marks[name] = false
    local groups = redis.pcall('XINFO', 'GROUPS', stream)
    for _, row in ipairs(groups.err and {} or groups) do
      local g = {}
      for i = 1, #row, 2 do g[row[i]] = row[i + 1] end
      if g.name == group then marks[name] = g['last-delivered-id'] end
    end
  end
  return marks[name]
end
local function awaited(key)
  local step = redis.call('HGET', key, 'wait')
  local text = step and redis.call('HGET', key, 'w:' .. step)
  local ok, spec = pcall(wait_spec, text or '')
  if not ok or type(spec) ~= 'table' or type(spec.events) ~= 'table' then return '' end
  local left = {}
  for i, event in ipairs(spec.events) do
    if redis.call('HEXISTS', key, 'a:' .. step .. ':' .. (i - 1)) == 0 then left[#left + 1] = { event, step .. ':' .. (i - 1) } end
  end
  return cjson.encode(left)
end
local function flag(yes) return yes and 1 or 0 end
local rows = {}
for _, run in ipairs(runs) do
  local key = tag .. 'run:' .. run
  local rec = redis.call('HMGET', key, 'v', 'state', 'at', 'fn', 'due', 'claim', 'ended')
  local fn, id = run:match('^([^:]+):(.+)$')
  fn = rec[4] or fn or ''
  local at, source = rec[3] or '', KEYS[3]
  local home, body = at:match('^s(%d+%-%d+)$') or '', redis.call('HEXISTS', key, 'e:data')
  if id and home == '' and body == 0 then
    -- Its event may still be there: under the entry that the dedupe index names, or under its own id.
    home = not id:match('^%d+%-%d+$') and ids_find(KEYS[4], id:match('^=(%d+%-%d+)$') or id) or id
    if not home:match('^%d+%-%d+$') or not redis.call('XRANGE', KEYS[3], home, home)[1] then home = '' end
  end
  if redis.call('EXISTS', key) == 0 then at = home == '' and '' or 's' .. home end
  if at:sub(1, 1) == 'r' then source = tag .. 'ready:' .. fn end
  local entry = at:match('^[sr](%d+%-%d+)$')
  local group = fn ~= '' and delivered(source, fn)
  local there, pending, ahead = false, false, false
  if entry then
    local found = redis.pcall('XRANGE', source, entry, entry)
    there = not found.err and found[1]
    found = redis.pcall('XPENDING', source, fn, entry, entry, 1)
    pending = not found.err and found[1]
    ahead = there and group and id_less(group, entry)
  end
  for _, value in ipairs({ run, flag(redis.call('ZSCORE', KEYS[1], run)), redis.call('PTTL', key),
    redis.call('ZSCORE', KEYS[2], 'r:' .. run) or '', flag(there), flag(pending), flag(group),
    flag(ahead), home, fn }) do rows[#rows + 1] = value end
  for i = 1, 7 do rows[#rows + 1] = rec[i] or '' end
  rows[#rows + 1] = rec[2] == 'waiting' and awaited(key) or ''
  rows[#rows + 1] = body
end
return { now_ms(), cursor, rows }
