#!lua flags=allow-oom
-- Moves a whole database on in time: the clock, what expires, and how long every pending entry has been idle.
-- For a database of the test kit's own on a single server: it touches keys that it does not declare.
-- KEYS: 1 clock
-- ARGV: 1 now, ms since the epoch, 2 how far that is from before, ms
-- Answers: how many keys and pending entries grew older
local by, n = tonumber(ARGV[2]), 0
redis.call('SET', KEYS[1], ARGV[1])
if by == 0 then return 0 end
local function age_expiry(key)
  local left = redis.call('PTTL', key)
  if left < 0 then return end
  n = n + 1
  if left <= by then redis.call('UNLINK', key) else redis.call('PEXPIRE', key, left - by) end
end
local function age_leases(key)
  for _, row in ipairs(redis.call('XINFO', 'GROUPS', key)) do
    local group = row[2]
    for _, p in ipairs(redis.call('XPENDING', key, group, '-', '+', 1000000)) do
      -- XCLAIM would strike an entry from the pending list that was deleted meanwhile: only a takeover may.
      if redis.call('XRANGE', key, p[1], p[1])[1] then
        redis.call('XCLAIM', key, group, p[2], 0, p[1], 'IDLE', p[3] + by, 'JUSTID')
        n = n + 1
      end
    end
  end
end
local cursor = '0'
repeat
  local page = redis.call('SCAN', cursor, 'COUNT', 1000)
  cursor = page[1]
  for _, key in ipairs(page[2]) do
    age_expiry(key)
    if redis.call('TYPE', key).ok == 'stream' then age_leases(key) end
  end
until cursor == '0'
return n
