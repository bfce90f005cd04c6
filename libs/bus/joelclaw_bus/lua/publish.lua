#!lua
-- Puts events on their stream, now or when they are due, each at most once per id within the window: all of them in
-- this one step, in the order in which they are named.
-- KEYS: 1 stream, 2 ids, 3 due, 4 due items
-- ARGV: 1 window, ms, 2 nudge channel, 3 slot name, 4 longest stream (0 any), then of each: id ('' none), at, ms (0 now),
--       how many words its fields have, its fields
-- Answers: of each {entry id or 'due', 0 new | 1 duplicate}; a refusal in its place, and then it is not there
-- uses: clock, ids, due
local now, window, longest, answers = now_ms(), tonumber(ARGV[1]), ARGV[4], {}
local function put(id, at, first, last)
  if id ~= '' then
    local seen = ids_find(KEYS[2], id)
    if seen then return { seen, 1 } end
    if redis.call('HEXISTS', KEYS[4], id) == 1 then return { 'due', 1 } end
  end
  if at > now then
    local fields = { unpack(ARGV, first, last) }
    fields[#fields + 1] = 'due' -- last: if the index is lost, the body still says when
    fields[#fields + 1] = string.format('%.0f', at)
    due_put(KEYS[3], ARGV[2], ARGV[3], 'e:' .. id, at)
    redis.call('HSET', KEYS[4], id, cjson.encode(fields))
    ids_put(KEYS[2], id, 'due', now, window)
    return { 'due', 0 }
  end
  local entry
  if longest ~= '0' then
    entry = redis.call('XADD', KEYS[1], 'MAXLEN', '~', longest, '*', unpack(ARGV, first, last))
  else
    entry = redis.call('XADD', KEYS[1], '*', unpack(ARGV, first, last))
  end
  if id ~= '' then ids_put(KEYS[2], id, entry, now, window) end
  return { entry, 0 }
end
local at = 5
while at <= #ARGV do
  local first, many = at + 3, tonumber(ARGV[at + 2])
  local good, answer = pcall(put, ARGV[at], tonumber(ARGV[at + 1]), first, first + many - 1)
  if not good and type(answer) ~= 'table' then answer = { err = 'ERR ' .. tostring(answer) } end
  answers[#answers + 1] = answer
  at = first + many
end
return answers
