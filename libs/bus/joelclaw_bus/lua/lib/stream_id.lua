-- Entry ids as numbers: their parts, their order, their neighbours.
local function id_parts(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end
local function id_less(a, b)
  local am, as = id_parts(a)
  local bm, bs = id_parts(b)
  return am < bm or (am == bm and as < bs)
end
local function id_after(id)
  local ms, seq = id_parts(id)
  -- The last one of its millisecond, as id_before makes it: one more is no id, and XTRIM would fail for ever.
  if seq >= 18446744073709551615 then return string.format('%.0f-0', ms + 1) end
  return string.format('%.0f-%.0f', ms, seq + 1)
end
local function id_before(id)
  local ms, seq = id_parts(id)
  if seq > 0 then return string.format('%.0f-%.0f', ms, seq - 1) end
  if ms == 0 then return '0-0' end
  return string.format('%.0f-18446744073709551615', ms - 1)
end
