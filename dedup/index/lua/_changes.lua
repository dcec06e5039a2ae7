-- _changes.lua: what replies tell of originals, and what is changed and written at the end.

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
    -- Where originals expire, one whose repeats were all taken back was still seen when they were.
    chunk.one.counts_changed[id] = (held.seen > 0 or old and held.last > chunk.last)
      and pack('<I4I4I4', held.seen, held.pages, held.last) or ''
  end
  write(fresh.pages, page_values)
  if old then write(old.pages, left_old) end
  for _, one in ipairs({fresh, old or nil}) do
    write(one.postings, one.changed)
    write(one.records, one.records_changed)
    write(one.counts, one.counts_changed)
  end
  grow()
  local now_are = {chunks = next_chunk, operation = operation}
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
