-- One call for many runs, each as if it had come alone: what breaks in one is its own answer, and hurts no neighbour.
-- KEYS from `key` on are the runs'. Each has `size` words in ARGV, from `first` on; the last of them says how many more
-- of its own follow behind the words of all. `act` gets the key, the words and a list of those more.
local function each(key, first, size, act)
  local answers, tail = {}, first + (#KEYS - key + 1) * size
  for i = key, #KEYS do
    local at = first + (i - key) * size
    local words, more, many = { unpack(ARGV, at, at + size - 2) }, {}, tonumber(ARGV[at + size - 1])
    for n = 1, many do more[n] = ARGV[tail + n - 1] end -- unpack takes less than 8,000
    tail, words[size] = tail + many, more
    local good, answer = pcall(act, KEYS[i], unpack(words))
    if not good and type(answer) ~= 'table' then answer = { err = 'ERR ' .. tostring(answer) } end
    answers[#answers + 1] = answer
  end
  return answers
end
