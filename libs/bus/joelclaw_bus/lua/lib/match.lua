-- What a wait asks of an event's data, as one text: the same for the wait (joelclaw_bus.awaited) and for what it matches.
local function match_value(value)
  if type(value) == 'string' then return 's' .. value end
  if type(value) == 'boolean' then return 'b' .. tostring(value) end
  if type(value) == 'number' and value == math.floor(value) then return string.format('n%.0f', value) end
  return false
end
-- The key of `data` under a form (a JSON list of paths); false when it lacks one of them.
local function match_key(form, data)
  local parts = { form }
  for _, path in ipairs(cjson.decode(form)) do
    local at = data
    for name in string.gmatch(path, '[^.]+') do
      if type(at) ~= 'table' then return false end
      at = at[name]
    end
    local text = match_value(at)
    if not text then return false end
    parts[#parts + 1] = #text .. ':' .. text
  end
  return redis.sha1hex(table.concat(parts, '\n'))
end
-- Whether an entry's data can hold a value that is plainly written like `hint` ('' nothing is known of it). Reading all
-- that is looked back over as JSON costs ten times as much. An escape, or a number in another form, can hide a value.
local function match_maybe(flat, hint)
  if not hint or hint == '' then return true end
  for i = 1, #flat, 2 do
    if flat[i] == 'data' then
      local text = flat[i + 1]
      return text:find(hint, 1, true) or text:find('\\', 1, true) or text:find('%d[.eE]')
    end
  end
  return false
end
-- An entry's data as a table; false when it is no JSON object. Anyone may have written it.
local function match_data(flat)
  for i = 1, #flat, 2 do
    if flat[i] == 'data' then
      local good, data = pcall(cjson.decode, flat[i + 1])
      return good and type(data) == 'table' and data
    end
  end
  return false
end
