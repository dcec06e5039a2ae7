-- split.lua: let the buckets grow in number as the index grows: begin a round in which every bucket is
-- split into four, or split the next few.
--
-- KEYS  1 header, then of each bucket to split four: its own name and those of the three new ones
-- ARGV  1 bits that the client knows; while splitting, those of the new number of buckets
--       2 cursor that the client knows: -1 begins a round
-- RETURNS  {"OK", bits, cursor} as they are now; nothing is done where the client's are not these

local call, read = redis.call, struct.unpack
local state = call('HMGET', KEYS[1], 'bits', 'cursor')
if state[1] ~= ARGV[1] or state[2] ~= ARGV[2] then return {'OK', state[1], state[2]} end
local bits, cursor = tonumber(state[1]), tonumber(state[2])
if cursor < 0 then
  call('HSET', KEYS[1], 'bits', bits + 2, 'cursor', 0)
  return {'OK', tostring(bits + 2), '0'}
end
local before = 2 ^ (bits - 2)
for first = 2, #KEYS, 4 do
  local fields = call('HGETALL', KEYS[first])
  local moved, gone = {{}, {}, {}}, {}
  for i = 1, #fields, 2 do
    local to = math.floor(read('<I4', fields[i]) / before) % 4
    if to > 0 then
      local list = moved[to]
      list[#list + 1], list[#list + 2] = fields[i], fields[i + 1]
      gone[#gone + 1] = fields[i]
    end
  end
  if #gone * 2 == #fields and #gone > 0 then
    call('DEL', KEYS[first])
  elseif #gone > 0 then
    call('HDEL', KEYS[first], unpack(gone))
  end
  for to = 1, 3 do
    if #moved[to] > 0 then call('HSET', KEYS[first + to], unpack(moved[to])) end
  end
  cursor = cursor + 1
end
if cursor == before then cursor = -1 end
call('HSET', KEYS[1], 'cursor', cursor)
return {'OK', ARGV[1], tostring(cursor)}
