#!lua flags=allow-oom
-- Registers a wait and looks back for what it waits for: in one step, so that nothing falls between the two.
-- KEYS: 1 stream, 2 waits, 3 wait items, 4 wait index, 5 wait forms
-- ARGV: 1 wait id, 2 wait (JSON), 3 ends, ms, 4 look from (entry id), 5 look to (entry id), 6 register (0|1),
--       7 how many entries at most, 8 how many bytes of them
-- Answers: {1, entry, fields} it is there; {0, next} it is not on this page: look on from there ('' none left)
-- uses: clock, match, waits
local wait = cjson.decode(ARGV[2])
if ARGV[6] == '1' then
  local now = now_ms()
  waits_over(2, now) -- also where no event ever comes: else every time-out would leave one behind
  if tonumber(ARGV[3]) > now then wait_put(2, ARGV[1], ARGV[2], ARGV[3]) end
end
local rows = redis.call('XRANGE', KEYS[1], ARGV[4], ARGV[5], 'COUNT', ARGV[7])
local bytes = 0
for _, row in ipairs(rows) do
  local data = match_maybe(row[2], wait.hint) and match_data(row[2])
  if data and match_key(wait.form, data) == wait.key then return { 1, row[1], row[2] } end
  for _, text in ipairs(row[2]) do bytes = bytes + #text end
  if bytes > tonumber(ARGV[8]) then return { 0, '(' .. row[1] } end
end
if #rows < tonumber(ARGV[7]) then return { 0, '' } end
return { 0, '(' .. rows[#rows][1] }
