-- What a run waits for, as its record keeps it: `UNTIL {"all": bool, "events": [names]}`.
local function wait_spec(text)
  return cjson.decode(text:match('^%d+ (.*)$'))
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
