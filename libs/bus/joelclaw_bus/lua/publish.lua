#!lua
-- Puts one event on its stream, now or when it is due, at most once per id within the window.
-- KEYS: 1 stream, 2 ids, 3 due, 4 due items
-- ARGV: 1 id ('' none), 2 at, ms (0 now), 3 window, ms, 4 nudge channel, 5 slot name, 6 longest stream (0 any), 7… fields
-- Answers: {entry id or 'due', 0 new | 1 duplicate, now}
-- uses: clock, ids, due
local id, at, now = ARGV[1], tonumber(ARGV[2]), now_ms()
if id ~= '' then
  local seen = ids_find(KEYS[2], id)
  if seen then return { seen, 1, now } end
  if redis.call('HEXISTS', KEYS[4], id) == 1 then return { 'due', 1, now } end
end
local fields = {}
for i = 7, #ARGV do fields[#fields + 1] = ARGV[i] end
if at > now then
  fields[#fields + 1] = 'due' -- last: if the index is lost, the body still says when
  fields[#fields + 1] = string.format('%.0f', at)
  redis.call('HSET', KEYS[4], id, cjson.encode(fields))
  due_put(KEYS[3], ARGV[4], ARGV[5], 'e:' .. id, at)
  ids_put(KEYS[2], id, 'due', now, tonumber(ARGV[3]))
  return { 'due', 0, now }
end
local entry
if ARGV[6] ~= '0' then
  entry = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[6], '*', unpack(fields))
else
  entry = redis.call('XADD', KEYS[1], '*', unpack(fields))
end
if id ~= '' then ids_put(KEYS[2], id, entry, now, tonumber(ARGV[3])) end
return { entry, 0, now }
