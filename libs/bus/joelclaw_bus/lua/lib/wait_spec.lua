-- What a run waits for, as its record keeps it: `UNTIL {"all": bool, "events": [names]}`.
local function wait_spec(text)
  return cjson.decode(text:match('^%d+ (.*)$'))
end
-- Whether what came (an event as JSON) for the event with this number does not count, because the run has heard it. An
-- older worker's matcher doesn't look, and what registers a wait for it drops what it doesn't know.
local function heard_already(spec, number, came)
  local heard = spec.but and spec.but[number + 1] or {}
  -- Not decoded: the fields hold a producer's bytes, and half a surrogate pair is no JSON to cjson.
  local entry = came:match('^{"entry":"(%d+%-%d+)"')
  for _, one in ipairs(heard) do if one == entry then return true end end
  return false
end
-- Calls off what a run waits for elsewhere, but for the event with the number `won`.
local function call_off(outbox, items, spec, run, step, won, now)
  for i, event in ipairs(spec.events) do
    if i - 1 ~= won then
      local wait = run .. ':' .. step .. ':' .. (i - 1)
      local id = 'unwait:' .. wait
      outbox_put(outbox, items, id, cjson.encode({ id = id, kind = 'unwait', target = event, event_id = wait }), now)
    end
  end
end
-- What an older worker noted for a waiting run though the run has heard it: {field, bytes} of each.
local function noted_in_vain(key, step, spec)
  local vain = {}
  for i = 0, spec.but and #spec.but - 1 or -1 do
    local field = 'a:' .. step .. ':' .. i
    local came = redis.call('HGET', key, field)
    if came and heard_already(spec, i, came) then vain[#vain + 1] = { field, #came } end
  end
  return vain
end
-- Such a run waits on: that is struck, and what was called off for its sake and is still on its way is not.
local function wait_on(key, outbox, items, spec, run, step, vain)
  for _, noted in ipairs(vain) do
    redis.call('HDEL', key, noted[1])
    redis.call('HINCRBY', key, 'bytes', -noted[2])
  end
  for i = 0, #spec.events - 1 do
    local id = 'unwait:' .. run .. ':' .. step .. ':' .. i
    redis.call('ZREM', outbox, id)
    redis.call('HDEL', items, id, '#' .. id)
  end
end
