-- _shared.lua: what check.lua and commit.lua have in common; joined before each of them. Layouts are
-- told in docs/redis.md. Nothing is written before `save`, so a script that stops has changed nothing.
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

-- ---- postings -------------------------------------------------------------------------------------

-- Strings of one size, or numbers, that lie back to back in data; so much faster than one by one.
local function slices(data, format, size, from, to)
  return {read('<' .. rep(format, to - from + 1), data, size * (from - 1) + 1)}
end

-- Buckets grow in number by fours, one after the other: those below the cursor have been split.
local fields, postings, taken = {}, #ARGV[5] / 5, {}
local function read_buckets(one)
  local of, buckets = {}, {}
  local size, cursor = 2 ^ one.bits, one.cursor
  local wide = 4 * size
  for from = 1, postings, PART do
    local to = min(from + PART - 1, postings)
    local places = slices(ARGV[5], 'I4x', 5, from, to)
    for i = 1, #places do
      local value = places[i]
      local at = value % size
      if at < cursor then at = value % wide end
      places[i] = at
    end
    local held = call('HMGET', one.postings, unpack(places))
    for i = 1, #held do
      local bucket = held[i]
      if not bucket then
        held[i] = ''
      elseif find(bucket, fields[from + i - 1], 1, true) then
        taken[from + i - 1] = true
      end
    end
    if from == 1 then
      of, buckets = places, held
    else
      for i = 1, #held do of[from + i - 1], buckets[from + i - 1] = places[i], held[i] end
    end
  end
  one.of, one.buckets = of, buckets
end
for from = 1, postings, PART do
  local to = min(from + PART - 1, postings)
  local some = slices(ARGV[5], 'c5', 5, from, to)
  if from == 1 then
    fields = some
  else
    for i = 1, #some do fields[from + i - 1] = some[i] end
  end
end
read_buckets(fresh)
if old then read_buckets(old) end

-- Where the field of posting `i` stands in its bucket, from `from` on.
local function place_of(one, i, from)
  local bucket = one.changed[one.of[i]] or one.buckets[i]
  local at = find(bucket, fields[i], from or 1, true)
  while at and at % 9 ~= 1 do at = find(bucket, fields[i], at + 1, true) end
  return at, bucket
end

-- The ids of one generation under a posting, as they are there.
local function raw_ids(one, i)
  local found, at, bucket = {}, place_of(one, i)
  while at do
    found[#found + 1] = read('<I4', bucket, at + 5)
    at = place_of(one, i, at + 9)
  end
  return found
end

-- The originals under a posting, each once; nil where there is none.
local function ids_under(i)
  if not old then return (taken[i] or fresh.changed[fresh.of[i]]) and raw_ids(fresh, i) end
  local found, met = nil, {}
  for _, one in ipairs({old, fresh}) do
    for _, id in ipairs(raw_ids(one, i)) do
      local body
      id, body = forwarded(id)
      if body ~= '' and not met[id] and last_seen(id) >= now - expire then
        met[id] = true
        found = found or {}
        found[#found + 1] = id
      end
    end
  end
  return found
end

local function change_bucket(one, i, value)
  local name = one.of[i]
  one.held = one.held + (#value - #(one.changed[name] or one.buckets[i])) / 9
  one.changed[name] = value
end

-- Whether no posting from `first` to `stop` is taken: so it is with most blocks that are new.
local function all_free(first, stop)
  local changed_buckets, of = fresh.changed, fresh.of
  for i = first, stop do
    if taken[i] then return false end
    local bucket = changed_buckets[of[i]]
    if bucket and find(bucket, fields[i], 1, true) then return false end
  end
  return true
end

-- Put an original under its postings, where they have room; `free`: none of them is taken.
local function add_postings(first, stop, id, free)
  local packed, buckets, of, changed_buckets = pack('<I4', id), fresh.buckets, fresh.of, fresh.changed
  local added = 0
  for i = first, stop do
    if free or not place_of(fresh, i) or #raw_ids(fresh, i) < MOST_IDS then
      local name = of[i]
      changed_buckets[name] = (changed_buckets[name] or buckets[i]) .. fields[i] .. packed
      added = added + 1
    end
  end
  fresh.held = fresh.held + added
end

-- Fetch the records under taken postings in one go: most will be asked for.
if not old then
  local numbers, met = {}, {}
  for i in pairs(taken) do
    for _, id in ipairs(raw_ids(fresh, i)) do
      local at = floor(id / ROOM)
      if not met[at] and #numbers < PART then
        met[at] = true
        numbers[#numbers + 1] = at
      end
    end
  end
  if #numbers > 0 then
    local held = call('HMGET', fresh.records, unpack(numbers))
    for i, at in ipairs(numbers) do take_chunk(at, fresh, held[i]) end
  end
end

local function remove_postings(one, first, stop, id)
  for i = first, stop do
    local at, bucket = place_of(one, i)
    while at do
      if forwarded(read('<I4', bucket, at + 5)) == id then
        bucket = sub(bucket, 1, at - 1) .. sub(bucket, at + 9)
        change_bucket(one, i, bucket)
        at = place_of(one, i, at)
      else
        at = place_of(one, i, at + 9)
      end
    end
  end
end

-- ---- replies --------------------------------------------------------------------------------------

-- What the client must know of an original: id, times, counts, page and body (or its start).
local described, descriptions = {}, {}
local function describe(id, whole)
  if described[id] == 2 or described[id] and not whole then return end
  local body = body_of(id)
  local chunk, held = load_chunk(floor(id / ROOM)), counts_of(id)
  described[id] = whole and 2 or 1
  descriptions[#descriptions + 1] = pack('<I4I4I4I4I4I2', id, chunk.first, last_seen(id), held.seen,
    held.pages, #name_of(chunk)) .. name_of(chunk) .. ((whole or not signed) and body or sub(body, 1, 12))
end

-- The ids under each posting of a block, packed: a count and so many ids.
local function candidates(first, stop, worthless)
  local parts = {}
  for i = first, stop do
    local ids = ids_under(i) or {}
    parts[#parts + 1] = char(#ids)
    for _, id in ipairs(ids) do
      parts[#parts + 1] = pack('<I4', id)
      if not (worthless and worthless[id]) then describe(id, true) end
    end
  end
  return concat(parts)
end

local counted = {}
local function tell_counts(id)
  describe(id, false)
  local held = counts_of(id)
  counted[#counted + 1] = pack('<I4I4', held.seen, held.pages)
end

-- Where a call is sent again, counts have all its repeats already: each is told what stood when it was
-- counted, which is that of now without those after it.
local replays = {}
local function tell_counts_again(id, elsewhere)
  describe(id, false)
  counted[#counted + 1] = ''
  replays[#replays + 1] = {id = id, at = #counted, pages = elsewhere and 1 or 0}
end
local function finish_replays()
  local seen, pages = {}, {}
  for i = #replays, 1, -1 do
    local one = replays[i]
    local id, held = one.id, counts_of(one.id)
    counted[one.at] = pack('<I4I4', math.max(1, held.seen - (seen[id] or 0)),
      math.max(1, held.pages - (pages[id] or 0)))
    seen[id], pages[id] = (seen[id] or 0) + 1, (pages[id] or 0) + one.pages
  end
end

-- ---- changes --------------------------------------------------------------------------------------

local function page_value(name)
  for _, one in ipairs(old and {fresh, old} or {fresh}) do
    local held = call('HGET', one.pages, name)
    if held then return held, one end
  end
  return false
end

-- Values of pages to write; they stand in the generation of now, and leave the old one.
local page_values, left_old = {}, {}
local function set_page(name, value, one)
  if not page_values[name] then
    if one ~= fresh then count(fresh, 'pages', 1) end
    if one == old and old then
      count(old, 'pages', -1)
      left_old[name] = ''
    end
  end
  page_values[name] = value
end

-- Move an original of the old generation, which has been seen, to this one; its page moves with it.
local moved_chunk, origin = {}, {}
local function renew(id, first, stop)
  if not old or id >= first_chunk * ROOM then return id end
  local from, body, held = unpacked(floor(id / ROOM)), body_of(id), counts_of(id)
  local made
  made, moved_chunk[from] = new_record(moved_chunk[from], name_of(from), from.first, body)
  add_postings(first, stop, made)
  counts[made] = {seen = 0, pages = 1, last = 0}
  set_counts(made, held.seen, held.pages, held.last)
  set_counts(id, 0, 1, 0)
  count(old, 'originals', -1)
  from.bodies[id % ROOM] = pack('<I4', made)
  if described[id] then
    described[id] = nil
    describe(made, true)
  end
  local value, one = page_values[name_of(from)], fresh
  if not value then value, one = page_value(name_of(from)) end
  if value then
    for at = 9, #value, 4 do
      if read('<I4', value, at) == id then
        value = sub(value, 1, at - 1) .. pack('<I4', made) .. sub(value, at + 4)
      end
    end
    set_page(name_of(from), value, one)
  end
  origin[made] = id
  return made
end

-- One more repeat of an original; `elsewhere`: the first one on a page that does not own it.
local function count_repeat(id, elsewhere)
  local held = counts_of(id)
  set_counts(id, held.seen + 1, held.pages + (elsewhere and 1 or 0), now)
  tell_counts(id)
end

-- Split the next of the buckets, each into four.
local function split(steps)
  local size, before, from = 2 ^ fresh.bits, fresh.cursor, {}
  for i = 1, steps do from[i] = before + i - 1 end
  local held, filled, n, emptied = call('HMGET', fresh.postings, unpack(from)), {}, 0, {}
  for i = 1, steps do
    local bucket = held[i]
    if bucket then
      local count, parts = #bucket / 9, {{}, {}, {}, {}}
      local values, entries = slices(bucket, 'I4xxxxx', 9, 1, count), slices(bucket, 'c9', 9, 1, count)
      for j = 1, count do
        local part = parts[1 + floor(values[j] / size) % 4]
        part[#part + 1] = entries[j]
      end
      for quarter = 1, 4 do
        if #parts[quarter] > 0 then
          filled[n + 1] = before + i - 1 + (quarter - 1) * size
          filled[n + 2] = concat(parts[quarter])
          n = n + 2
        elseif quarter == 1 then
          emptied[#emptied + 1] = from[i]
        end
      end
    end
  end
  if n > 0 then call('HSET', fresh.postings, unpack(filled)) end
  if #emptied > 0 then call('HDEL', fresh.postings, unpack(emptied)) end
  fresh.cursor = before + steps
  if fresh.cursor == size then fresh.bits, fresh.cursor = fresh.bits + 2, 0 end
end

-- Let the number of buckets follow that of the postings; what a large call leaves, the next ones do.
local function grow()
  local most = MOST_SPLITS
  while most > 0 do
    local size = 2 ^ fresh.bits
    local wanted = math.ceil((fresh.held / fullest - size - 3 * fresh.cursor) / 3)
    local steps = min(wanted, most, size - fresh.cursor)
    if steps <= 0 then return end
    split(steps)
    most = most - steps
  end
end

-- Write fields of one hash, or take them out where the value is ''.
local function write(key, pairs_of)
  local set, n, gone = {}, 0, {}
  for name, value in pairs(pairs_of) do
    if value == '' then
      gone[#gone + 1] = name
    else
      set[n + 1], set[n + 2] = name, value
      n = n + 2
    end
  end
  for from = 1, n, 2 * PART do call('HSET', key, unpack(set, from, min(from + 2 * PART - 1, n))) end
  for from = 1, #gone, PART do call('HDEL', key, unpack(gone, from, min(from + PART - 1, #gone))) end
end

local function packed_chunk(chunk)
  local starts, at, bodies, places, name = {}, 0, chunk.bodies, chunk.count, name_of(chunk)
  for i = 0, places - 1 do
    starts[i + 1] = at
    at = at + #bodies[i]
  end
  if at == 0 then return '' end
  return pack('<I2I4I4', #name, chunk.first, chunk.last) .. name .. char(places)
    .. pack('<' .. rep('I4', places), unpack(starts)) .. concat(bodies, '', 0, places - 1)
end

-- Write everything that changed.
local function save()
  for _, one in pairs(both) do one.records_changed, one.counts_changed = {}, {} end
  for at, chunk in pairs(changed) do
    chunk.one.records_changed[at] = packed_chunk(chunk)
  end
  for id in pairs(counts_changed) do
    local held, chunk = counts[id], load_chunk(floor(id / ROOM))
    chunk.one.counts_changed[id] =
      held.seen > 0 and pack('<I4I4I4', held.seen, held.pages, held.last) or ''
  end
  write(fresh.pages, page_values)
  if old then write(old.pages, left_old) end
  for _, one in ipairs({fresh, old or nil}) do
    write(one.postings, one.changed)
    write(one.records, one.records_changed)
    write(one.counts, one.counts_changed)
  end
  grow()
  local now_are = {chunks = next_chunk}
  for _, one in ipairs({fresh, old or nil}) do
    now_are['bits' .. one.parity], now_are['cursor' .. one.parity] = one.bits, one.cursor
    now_are['postings' .. one.parity] = one.held
    count(one, 'originals', one.added)
    for total, amount in pairs(one.totals) do
      if amount ~= 0 then call('HINCRBY', HEAD, total .. one.parity, amount) end
    end
  end
  write(HEAD, now_are)
end
