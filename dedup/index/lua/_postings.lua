-- _postings.lua: the postings of a call (ARGV 5: 5 bytes each) and the buckets that they are in.

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
