#!lua flags=allow-oom
-- Makes a function's groups on its event stream and its ready stream where they are missing, at the mark it had reached.
-- KEYS: 1 stream, 2 ready (the stream again: there is none), 3 marks
-- ARGV: 1 group, 2 how far back a first registration reads, ms (0: everything)
-- Answers: {0, '', redo} there already; {1, start, redo} first registration; {2, mark, redo} it was lost and goes on at
--          its mark. redo: entries up to this id may have been delivered by a group that was lost ('' none)
-- unconfirmed: it is made again by whoever reads next, at the same mark
-- uses: clock
local function has(stream)
  local rows = redis.pcall('XINFO', 'GROUPS', stream)
  if rows.err then return false end
  for _, row in ipairs(rows) do
    for i = 1, #row, 2 do if row[i] == 'name' and row[i + 1] == ARGV[1] then return true end end
  end
  return false
end
if KEYS[2] ~= KEYS[1] and not has(KEYS[2]) then redis.call('XGROUP', 'CREATE', KEYS[2], ARGV[1], '0', 'MKSTREAM') end
if has(KEYS[1]) then return { 0, '', redis.call('HGET', KEYS[3], 'redo:' .. ARGV[1]) or '' } end
local mark = redis.call('HGET', KEYS[3], ARGV[1])
local start = mark
if not start then
  start = '0-0'
  if ARGV[2] ~= '0' then start = string.format('%.0f-0', math.max(0, now_ms() - tonumber(ARGV[2]))) end
  redis.call('HSETNX', KEYS[3], 'start:' .. ARGV[1], start)
end
redis.call('XGROUP', 'CREATE', KEYS[1], ARGV[1], start, 'MKSTREAM')
redis.call('HSET', KEYS[3], ARGV[1], start)
local redo = ''
if mark then
  local info = redis.call('XINFO', 'STREAM', KEYS[1])
  for i = 1, #info, 2 do if info[i] == 'last-generated-id' then redo = info[i + 1] end end
  redis.call('HSET', KEYS[3], 'redo:' .. ARGV[1], redo)
end
return { mark and 2 or 1, start, redo }
