#!lua
-- Opens a failed run again: due at once, with fresh attempts, and with its journal or without it. Its letter goes.
-- KEYS: 1 run, 2 open, 3 ended, 4 due, 5 dead
-- ARGV: 1 run id, 2 step (goes on behind its journal) | start (begins anew), 3 letter id, 4 nudge channel, 5 slot name
-- Answers: {1, now} it is due; {0, how it stands} it has not failed, a newer build wrote it, or its letter is gone;
--          {0, ''} nothing is left to begin
-- uses: clock, due, record
local rec = redis.call('HMGET', KEYS[1], 'state', 'status', 'e:data', 'v')
if not rec[1] or (rec[2] == 'failed' and not rec[3]) then return { 0, '' } end
if (tonumber(rec[4]) or 0) > RECORD_FORMAT then return { 0, 'newer' } end
if rec[1] ~= 'ended' or rec[2] ~= 'failed' then return { 0, rec[1] == 'ended' and rec[2] or rec[1] } end
local now, all = now_ms(), ARGV[2] == 'start'
-- First: an id that is none fails here, before anything is written; and who has the letter decides what becomes of it.
if redis.call('XDEL', KEYS[5], ARGV[3]) == 0 then return { 0, 'letter gone' } end
-- `by` is the claim that ended it: left here, that worker's late write would pass for one that was done already.
local over = { 'status', 'result', 'error', 'ended', 'by', 'permit', 'wait' }
if all then over[#over + 1], over[#over + 2] = 'steps', 'bytes' end
local noted = 0
for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do
  local kind = name:sub(1, 2) -- what an unfinished wait noted (w:, a:) is void in any case: it is waited for anew
  if kind == 'x:' or kind == 'w:' or kind == 'a:' or (all and kind == 's:') then over[#over + 1] = name end
  if kind == 'a:' then noted = noted + redis.call('HSTRLEN', KEYS[1], name) end
end
if noted > 0 then redis.call('HINCRBY', KEYS[1], 'bytes', -noted) end
for _, name in ipairs(over) do redis.call('HDEL', KEYS[1], name) end
redis.call('HINCRBY', KEYS[1], 'redriven', 1)
redis.call('HSET', KEYS[1], 'state', 'due', 'due', now, 'attempt', 0)
redis.call('PERSIST', KEYS[1])
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('ZADD', KEYS[2], now, ARGV[1])
due_put(KEYS[4], ARGV[4], ARGV[5], 'r:' .. ARGV[1], now)
return { 1, now }
