-- _records.lua: the call, generations, records of originals and their counts. With _postings.lua and
-- _changes.lua it stands before check.lua and commit.lua. Layouts are told in docs/redis.md. But for the
-- end of a generation nothing is written before `save`: a script that stops there has changed nothing.
--
-- KEYS  1 head; 2..5 pages, records, counts and postings of the even generations, 6..9 of the odd ones
-- ARGV  1 call: operation id (8), now (u32), expire (u32; seconds, 0: never), fullest (u8; postings of
--       a bucket on average before buckets split), look (u8: change nothing), signed (u8: bodies have
--       a signature from their 13th byte on, and a trace behind it), near, contained, varied (f64
--       each): of a near one this share of the pairs of both is common; of an excerpt this share of
--       its own; texts without a mark have at least this share of different pairs

local HEAD = KEYS[1]
local call, sub, byte, find, char = redis.call, string.sub, string.byte, string.find, string.char
local floor, min, pack, read, concat = math.floor, math.min, struct.pack, struct.unpack, table.concat
local rep, band = string.rep, bit.band
local REPEAT, ROOM, MOST_IDS, MOST_SPLITS, PART = 2147483648, 4, 4, 256, 2000

local operation = sub(ARGV[1], 1, 8)
local now, expire, fullest, look, signed, near, contained, varied = read('<I4I4BBBddd', ARGV[1], 9)
look, signed = look == 1, signed == 1

-- ---- generations ----------------------------------------------------------------------------------

local function generation(parity, state)
  local at = 2 + 4 * parity
  return {pages = KEYS[at], records = KEYS[at + 1], counts = KEYS[at + 2], postings = KEYS[at + 3],
    parity = parity, bits = state[1], cursor = state[2], held = state[3], changed = {}, totals = {}, added = 0}
end

local names = {'format', 'generation', 'began', 'first', 'chunks', 'bits0', 'cursor0', 'postings0',
  'bits1', 'cursor1', 'postings1'}
local head = call('HMGET', HEAD, unpack(names))
if not head[1] then return {'CLOSED'} end
for i = 2, #head do head[i] = tonumber(head[i]) end
local number, began, first_chunk, next_chunk = head[2], head[3], head[4], head[5]
if next_chunk >= 33000000 then return {'FULL'} end
local both = {[0] = generation(0, {head[6], head[7], head[8]}), generation(1, {head[9], head[10], head[11]})}
local fresh = both[number % 2]
local old = expire > 0 and both[1 - number % 2]

-- Everything of a generation goes; its next one begins with a single bucket.
local function drop(one)
  call('UNLINK', one.pages, one.records, one.counts, one.postings)
  one.bits, one.cursor, one.held = 0, 0, 0
  for _, total in ipairs({'pages', 'originals', 'repeats'}) do call('HSET', HEAD, total .. one.parity, 0) end
end

-- A generation ends when it is as old as originals may get: what the one before it still holds has
-- not been seen for at least as long, and goes.
if old and not look and now >= began + expire then
  drop(old)
  if now >= began + 2 * expire then drop(fresh) end
  fresh, old = old, fresh
  number, began, first_chunk = number + 1, now, next_chunk
  call('HSET', HEAD, 'generation', number, 'began', began, 'first', first_chunk)
end

-- A key that is no hash fails here, before anything is written.
for _, one in ipairs({fresh, old or nil}) do
  for _, key in ipairs({one.pages, one.records, one.counts, one.postings}) do call('HLEN', key) end
end

local function count(one, total, amount)
  one.totals[total] = (one.totals[total] or 0) + amount
end

-- ---- records --------------------------------------------------------------------------------------

-- A chunk is the records of one page. One that is only read stays packed; `unpacked` takes it apart,
-- to be changed and written again.
local chunks, changed = {}, {}
local function take_chunk(at, one, blob)
  local chunk = false
  if blob then
    local length, first, last, from = read('<I2I4I4', blob)
    local places = byte(blob, from + length)
    chunk = {one = one, blob = blob, length = length, first = first, last = last, count = places,
      starts = from + length + 1, origin = from + length + 1 + 4 * places}
  end
  chunks[at] = chunk
  return chunk
end

local function load_chunk(at)
  local chunk = chunks[at]
  if chunk == nil then
    local one = (not old or at >= first_chunk) and fresh or old
    chunk = take_chunk(at, one, call('HGET', one.records, at))
  end
  return chunk
end

local function name_of(chunk)
  if not chunk.name then chunk.name = sub(chunk.blob, 11, 10 + chunk.length) end
  return chunk.name
end

-- Where a record's body starts and ends in its packed chunk.
local function span_of(chunk, place)
  if place >= chunk.count then return 1, 0 end
  local at, start, stop = chunk.starts + 4 * place, nil, #chunk.blob - chunk.origin + 1
  if place + 1 < chunk.count then
    start, stop = read('<I4I4', chunk.blob, at)
  else
    start = read('<I4', chunk.blob, at)
  end
  return chunk.origin + start, chunk.origin + stop - 1
end

local function packed_body(chunk, place)
  return sub(chunk.blob, span_of(chunk, place))
end

local function unpacked(at)
  local chunk = changed[at] or load_chunk(at)
  if chunk and not changed[at] then
    chunk.bodies, changed[at] = {}, chunk
    for i = 0, chunk.count - 1 do chunk.bodies[i] = packed_body(chunk, i) end
  end
  return chunk
end

local function body_of(id)
  local chunk = load_chunk(floor(id / ROOM))
  if not chunk then return '' end
  if chunk.bodies then return chunk.bodies[id % ROOM] or '' end
  return packed_body(chunk, id % ROOM)
end

-- A new record of a page: in the chunk `at` where that is as new and has room, else in another.
local function new_record(at, name, first, body)
  local chunk = at and unpacked(at)
  if not chunk or chunk.count == ROOM or chunk.first ~= first or chunk.one ~= fresh then
    at, next_chunk = next_chunk, next_chunk + 1
    chunk = {one = fresh, name = name, first = first, last = now, bodies = {}, count = 0}
    chunks[at], changed[at] = chunk, chunk
  end
  local place = chunk.count
  chunk.bodies[place], chunk.count = body, place + 1
  fresh.added = fresh.added + 1
  return at * ROOM + place, at
end

-- An original that was renewed in a newer generation left its new id (4 bytes) as its body.
local function forwarded(id)
  local body = body_of(id)
  while #body == 4 do
    id = read('<I4', body)
    body = body_of(id)
  end
  return id, body
end

-- ---- counts ---------------------------------------------------------------------------------------

local counts, counts_changed = {}, {}
local function counts_of(id)
  local found = counts[id]
  if not found then
    local chunk = load_chunk(floor(id / ROOM))
    local held = chunk and call('HGET', chunk.one.counts, id)
    found = {seen = 0, pages = 1, last = 0}
    if held then found.seen, found.pages, found.last = read('<I4I4I4', held) end
    counts[id] = found
  end
  return found
end

local function set_counts(id, seen, pages, last)
  local found = counts_of(id)
  count(load_chunk(floor(id / ROOM)).one, 'repeats', seen - found.seen)
  found.seen, found.pages, found.last = seen, pages, last
  counts_changed[id] = true
end

local function last_seen(id)
  local chunk, last = load_chunk(floor(id / ROOM)), counts_of(id).last
  return chunk.last > last and chunk.last or last
end
