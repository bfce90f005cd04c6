#!lua flags=allow-oom
-- Asks whether an event is the last of its key for a while: then its run goes on, and those of the events before it end.
-- Who is the last is told by when the events came, not by who asks first.
-- KEYS: 1 window
-- ARGV: 1 member (slot|run), 2 when its event came, ms, 3 quiet for so long, ms, 4 after so long at the latest, ms (0 none)
-- Answers: {1} it goes on (again, when it was told so before); {0, ms} not before then; {2, member} a later event came,
--          which is that run's
-- uses: clock
local DAY_MS = 86400000
local member, came, now = ARGV[1], tonumber(ARGV[2]), now_ms()
local delay, longest = tonumber(ARGV[3]), tonumber(ARGV[4])
local seen = redis.call('HMGET', KEYS[1], 'last', 'came', 'due', 'first', 'went')
local last, went = seen[1], seen[5] == '1'
if last == member then
  local left = tonumber(seen[3]) - now
  if not went and left > 0 then return { 0, math.ceil(left) } end
  if not went then redis.call('HSET', KEYS[1], 'went', 1) end
  return { 1 }
end
if last and (tonumber(seen[2]) > came or (tonumber(seen[2]) == came and last > member)) then return { 2, last } end
local first = last and not went and tonumber(seen[4]) or now
local due = now + delay
if longest > 0 then due = math.min(due, first + longest) end
redis.call('HSET', KEYS[1], 'last', member, 'came', ARGV[2], 'due', string.format('%.0f', due),
  'first', string.format('%.0f', first), 'went', due <= now and 1 or 0)
-- Kept beyond the window: who wakes late learns from it that a later event came. Without it, it goes on: none is lost.
redis.call('PEXPIRE', KEYS[1], delay + longest + DAY_MS)
if due <= now then return { 1 } end
return { 0, math.ceil(due - now) }
