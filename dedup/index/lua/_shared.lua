-- _shared.lua: what check.lua and commit.lua have in common; joined before each of them.
-- Layouts of records, entries and counters: docs/redis.md.

local HEADER, PAGES, RECORDS, COUNTERS, FIRST = KEYS[1], KEYS[2], KEYS[3], KEYS[4], 4
local call, sub, byte, floor = redis.call, string.sub, string.byte, math.floor
local pack, read = struct.pack, struct.unpack

local operation = sub(ARGV[1], 1, 8)
local now, bits, splitting, look = read('<I4BBB', ARGV[1], 9)
splitting, look = splitting == 1, look == 1

local state = call('HMGET', HEADER, 'bits', 'cursor', 'chunks')
local cursor, next_chunk = tonumber(state[2]), tonumber(state[3])
if not state[1] then return {'CLOSED'} end
if tonumber(state[1]) ~= bits or (cursor >= 0) ~= splitting then
  return {'STALE', state[1], state[2]}
end

-- Key and field of a posting. Buckets below the cursor have been split into four.
local postings, before = ARGV[5], 2 ^ (bits - 2)
local function place(number)
  local field = sub(postings, 5 * number - 4, 5 * number)
  if not splitting then return KEYS[FIRST + number], field end
  local done = read('<I4', field) % before < cursor
  return KEYS[FIRST + 2 * number - (done and 0 or 1)], field
end

-- Records: chunk number to what is known of it. A chunk that is only read stays packed; `unpacked`
-- takes it apart, to be changed and written again.
local chunks, changed = {}, {}
local function load_chunk(number)
  local chunk = chunks[number]
  if chunk == nil then
    local blob = call('HGET', RECORDS, pack('<I4', number))
    chunk = false
    if blob then
      local length, first, last, at = read('<I2I4I4', blob)
      chunk = {blob = blob, name = sub(blob, at, at + length - 1), first = first, last = last,
        count = byte(blob, at + length), starts = at + length + 1}
      chunk.origin = chunk.starts + 4 * chunk.count
    end
    chunks[number] = chunk
  end
  return chunk
end

local function packed_body(chunk, ordinal)
  if ordinal >= chunk.count then return '' end
  local at, start, stop = chunk.starts + 4 * ordinal, nil, nil
  if ordinal + 1 < chunk.count then
    start, stop = read('<I4I4', chunk.blob, at)
  else
    start, stop = read('<I4', chunk.blob, at), #chunk.blob + 1 - chunk.origin
  end
  return sub(chunk.blob, chunk.origin + start, chunk.origin + stop - 1)
end

local function unpacked(number)
  local chunk = load_chunk(number)
  if chunk and not chunk.bodies then
    chunk.bodies = {}
    for i = 0, chunk.count - 1 do chunk.bodies[i] = packed_body(chunk, i) end
  end
  return chunk
end

local function body_of(id)
  local chunk = load_chunk(floor(id / 256))
  if not chunk then return '' end
  if chunk.bodies then return chunk.bodies[id % 256] or '' end
  return packed_body(chunk, id % 256)
end

local function save_chunks()
  for number, chunk in pairs(changed) do
    local starts, bodies, at, alive = {}, {}, 0, false
    for i = 0, chunk.count - 1 do
      starts[i + 1], bodies[i + 1] = pack('<I4', at), chunk.bodies[i]
      at = at + #chunk.bodies[i]
    end
    if at == 0 then
      call('HDEL', RECORDS, pack('<I4', number))
    else
      call('HSET', RECORDS, pack('<I4', number), pack('<I2I4I4', #chunk.name, chunk.first, chunk.last)
        .. chunk.name .. string.char(chunk.count) .. table.concat(starts) .. table.concat(bodies))
    end
  end
end

-- A place for a new record of a page: in `number` while that has room, else in a new chunk.
local function new_record(number, name, body)
  local chunk = number and unpacked(number)
  if not chunk or chunk.count == 255 then
    number, next_chunk = next_chunk, next_chunk + 1
    chunk = {name = name, first = now, last = now, bodies = {}, count = 0}
    chunks[number] = chunk
  end
  chunk.bodies[chunk.count] = body
  chunk.count = chunk.count + 1
  changed[number] = chunk
  return number * 256 + chunk.count - 1, number
end

local function counters_of(id)
  local held = call('HGET', COUNTERS, pack('<I4', id))
  if not held then return 0, 1, 0 end
  return read('<I4I4I4', held)
end

local function set_counters(id, seen, pages, last)
  if seen == 0 then
    call('HDEL', COUNTERS, pack('<I4', id))
  else
    call('HSET', COUNTERS, pack('<I4', id), pack('<I4I4I4', seen, pages, last))
  end
end


-- What the client must know of an original: id, times, counters, page and body (or its start).
local described, descriptions = {}, {}
local function describe(id, whole)
  if described[id] and (described[id] == 2 or not whole) then return end
  local body = body_of(id)
  if body == '' then return end
  local chunk = load_chunk(floor(id / 256))
  local seen, pages, last = counters_of(id)
  if chunk.last > last then last = chunk.last end
  described[id] = whole and 2 or 1
  descriptions[#descriptions + 1] = pack('<I4I4I4I4I4I2', id, chunk.first, last, seen, pages, #chunk.name)
    .. chunk.name .. (whole and body or sub(body, 1, 12))
end

-- The ids under each posting of a block, packed: a count and so many ids.
local function candidates(first, count)
  local parts = {'U'}
  for i = first, first + count - 1 do
    local key, field = place(i)
    local ids = call('HGET', key, field) or ''
    parts[#parts + 1] = string.char(#ids / 4) .. ids
    for at = 1, #ids, 4 do describe(read('<I4', ids, at), true) end
  end
  return table.concat(parts)
end

-- The answer for a repeat: its original and that one's counters as they stand.
local function repeat_reply(id)
  describe(id, false)
  local seen, pages = counters_of(id)
  return 'E' .. pack('<I4I4I4', id, seen, pages)
end

-- One more repeat of an original; `elsewhere`: the first one on a page that does not own it.
local function count_repeat(id, elsewhere)
  local seen, pages = counters_of(id)
  set_counters(id, seen + 1, pages + (elsewhere and 1 or 0), now)
  return repeat_reply(id)
end

local function count_in_header(changes)
  for field, amount in pairs(changes) do
    if amount ~= 0 then call('HINCRBY', HEADER, field, amount) end
  end
  if tonumber(state[3]) ~= next_chunk then call('HSET', HEADER, 'chunks', next_chunk) end
end
