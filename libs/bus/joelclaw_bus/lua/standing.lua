#!lua flags=allow-oom
-- How runs stand whose entries were taken over. Writes nothing.
-- KEYS: 1… the run of each
-- ARGV: none
-- Answers: of each {how often it began without an end or progress, the claim of its latest begin ('' none since it last
--          rested), whether it has a record (0|1), whether only a newer build may begin it (0|1)}; {0, '', 0, 0} when
--          its record can't be read
-- unconfirmed: it only reads
-- uses: record
local answers = {}
for i, run in ipairs(KEYS) do
  local rec = redis.pcall('HMGET', run, 'begins', 'claim', 'state', 'v')
  if rec.err then rec = {} end
  local newer = (tonumber(rec[4]) or 0) > RECORD_FORMAT
  answers[i] = { tonumber(rec[1]) or 0, rec[2] or '', rec[3] and 1 or 0, newer and 1 or 0 }
end
return answers
