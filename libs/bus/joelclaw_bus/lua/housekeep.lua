#!lua flags=allow-oom
-- Persists how far every group has acknowledged, and trims what all of them have and retention has passed.
-- KEYS: 1 stream, 2 marks, 3 ended
-- ARGV: 1 retention of events, ms, 2 retention of ended runs, ms
-- Answers: {entries trimmed, ended runs forgotten}
-- unconfirmed: it is done again at the next round
-- uses: clock, stream_id
local now = now_ms()
local cut = string.format('%.0f-0', math.max(0, now - tonumber(ARGV[1])))
local groups = redis.pcall('XINFO', 'GROUPS', KEYS[1])
local trimmed = 0
if not groups.err then
  for _, row in ipairs(groups) do
    local g = {}
    for i = 1, #row, 2 do g[row[i]] = row[i + 1] end
    local through = g['last-delivered-id']
    if g.pending > 0 then through = id_before(redis.call('XPENDING', KEYS[1], g.name)[2]) end
    redis.call('HSET', KEYS[2], g.name, through)
    if id_less(id_after(through), cut) then cut = id_after(through) end
  end
  trimmed = redis.call('XTRIM', KEYS[1], 'MINID', cut)
end
local old = redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now - tonumber(ARGV[2]))
return { trimmed, old }
