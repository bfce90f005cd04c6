-- The pending list is the lease: the delivery count when `consumer` holds the entry, else false and why not.
local function owned(stream, group, entry, consumer)
  local rows = redis.pcall('XPENDING', stream, group, entry, entry, 1)
  if rows.err then return false, 'lost' end
  if not rows[1] then return false, 'gone' end
  if rows[1][2] ~= consumer then return false, 'lease' end
  return rows[1][4]
end
-- Acknowledge. An entry of a ready stream has one reader, so it goes at once.
local function ack(stream, home, group, entry)
  redis.call('XACK', stream, group, entry)
  if stream ~= home then redis.call('XDEL', stream, entry) end
end
