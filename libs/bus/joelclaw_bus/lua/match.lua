#!lua flags=allow-oom
-- The waits that an entry ends, a page of them. One that ends none is acknowledged here.
-- KEYS: 1 stream, 2 waits, 3 wait items, 4 wait index, 5 wait forms
-- ARGV: 1 group, 2 consumer, 3 entry, 4 how many at most, 5 form to go on at ('' the first), 6 place in its index
-- Answers: {form to go on at ('' none left), place, wait id, wait, …}; {'', ''} none, or not mine
-- uses: clock, lease, match, waits
if not owned(KEYS[1], ARGV[1], ARGV[3], ARGV[2]) then return { '', '' } end
waits_over(2, now_ms())
local forms = redis.call('HKEYS', KEYS[5])
table.sort(forms)
local row = redis.call('XRANGE', KEYS[1], ARGV[3], ARGV[3])[1]
local data = #forms > 0 and row and match_data(row[2])
local out = { '', '' }
for _, form in ipairs(data and forms or {}) do
  local key = form >= ARGV[5] and match_key(form, data)
  if key then
    local from = form == ARGV[5] and ARGV[6] ~= '' and ARGV[6] or '[' .. key .. ':'
    local most = tonumber(ARGV[4]) - (#out - 2) / 2
    local found = redis.call('ZRANGEBYLEX', KEYS[4], from, '(' .. key .. ';', 'LIMIT', 0, most)
    for _, member in ipairs(found) do
      local id = member:sub(#key + 2)
      local body = redis.call('HGET', KEYS[3], id)
      if body then
        out[#out + 1] = id
        out[#out + 1] = body
      else
        redis.call('ZREM', KEYS[4], member)
      end
    end
    if #found == most then
      out[1], out[2] = form, #found > 0 and '(' .. found[#found] or ARGV[6]
      return out
    end
  end
end
if #out == 2 and ARGV[5] == '' then redis.call('XACK', KEYS[1], ARGV[1], ARGV[3]) end
return out
