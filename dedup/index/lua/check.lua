-- check.lua: judge blocks of whole pages, as far as that needs no similarity; add what is plainly new.
--
-- A block whose text the index holds is an exact repeat: counted. A block none of whose candidates
-- (originals under one of its keys) can be like it is new: added. Every other block is undecided:
-- nothing is changed for it, and its candidates come back for the client to verify and commit.lua to
-- settle. Undecided too are blocks that share a key with an undecided one before them, and all blocks
-- of a page that the index knows. Such a page may release originals, so it is taken by itself: the
-- pages from it on, or those after it where it comes first, are left alone. Sent again under its
-- operation id, it finds what it did and says so.
--
-- KEYS  as in _records.lua
-- ARGV  1 call, as in _records.lua
--       2 pages: of each, length of its id (u16) and its id
--       3 blocks: of each, page (u16, from 0), postings (u8), length of its body (u32)
--       4 bodies back to back
--       5 postings back to back: 5 bytes each; of a block the fingerprint's first, then the keys'
-- RETURNS  {"CLOSED"}: there is no index here; {"FULL"}: no id is left; or
--       {"OK", pages, entries, counted, undecided, originals}:
--       pages: of each "", or its value where the index knew it before, or "-": left alone
--       entries: of each block of a page not left alone its entry (u32, as in a page's value)
--       counted: of each block that is a repeat, seen and pages of its original (u32 each)
--       undecided: of each undecided block, of each posting a count (u8) and ids (u32)
--       originals: those that repeats and undecided blocks name (see describe)

local names, entries, known, replayed, indexes, page_chunk = {}, {}, {}, {}, {}, {}
local page_replies, at, pages, last_page = {}, 1, 0, nil
while at <= #ARGV[2] do
  local length
  length, at = read('<I2', ARGV[2], at)
  names[pages + 1] = sub(ARGV[2], at, at + length - 1)
  at, pages = at + length, pages + 1
end
local values = pages > 0 and call('HMGET', fresh.pages, unpack(names)) or {}
for page = 0, pages - 1 do
  local held = not last_page and (values[page + 1] or old and page_value(names[page + 1]))
  entries[page], indexes[page] = {}, 0
  page_replies[page + 1] = last_page and '-' or ''
  if held and sub(held, 1, 8) == operation then
    replayed[page] = held
  elseif held and not look and page > 0 then
    last_page = page - 1
    page_replies[page + 1] = '-'
  elseif held then
    known[page] = true
    page_replies[page + 1] = held
    if not look then last_page = page end
  end
end

local undecided, waiting, any_waiting = {}, {}, false

-- Whether a repeat is the first one of its original on a page that does not own that.
local marks = {}
local function is_elsewhere(page, id)
  local chunk, mark = load_chunk(floor(id / ROOM)), page .. ':' .. id
  local is_first = not marks[mark]
  marks[mark] = true
  return is_first and chunk and name_of(chunk) ~= names[page + 1]
end

-- A signature is a set of 256 bits, one for each pair of tokens by its hash, behind their number. So
-- the bits that the shorter of two texts has and the longer lacks stand for at least so many pairs
-- that are missing there.
local LABEL_TOKENS = 5 -- as in the kernel: a teaser misses no more pairs than its label has tokens
local SIGNATURE, bits_in = '<I2' .. rep('I2', 16), {[0] = 0}
local function count_bits(word)
  local bits, rest = 0, word
  while rest > 0 do
    bits, rest = bits + rest % 2, floor(rest / 2)
  end
  bits_in[word] = bits
  return bits
end

-- The signature of a body that lies from `start` to `stop`; one that has none counts as marked.
local function signature(text, start, stop)
  if not signed then return {marked = true} end
  local found = {read(SIGNATURE, text, start + 12)}
  found.length, found.marked = stop - start + 1, byte(text, start + 3) > 127
  return found
end

-- Whether two texts cannot be alike: of the shorter one's pairs more are missing in the longer than
-- any rule allows. Repetitive texts are marked (top bit of the position) and left to the client: the
-- number of their tokens says little of that of their pairs.
local function are_unlike(one, other)
  if one.marked or other.marked then return false end
  local short, long = one, other
  if other.length < one.length then short, long = other, one end
  local missed = short[1]
  for i = 2, 17 do
    local shared = band(short[i], long[i])
    if shared > 0 then missed = missed - (bits_in[shared] or count_bits(shared)) end
  end
  -- A text of n tokens has up to n + 1 pairs, pads included, and without a mark not many fewer.
  local most, both = (short.length - 44) / 2, (short.length + long.length - 96) / 2
  return missed > most - near * (varied * both + 4) and missed > (1 - contained) * most
    and missed > LABEL_TOKENS
end

local signatures = {}
local function signature_of(id)
  local found = signatures[id]
  if not found then
    local chunk = load_chunk(floor(id / ROOM))
    if chunk.bodies then
      local body = body_of(id)
      found = signature(body, 1, #body)
    else
      found = signature(chunk.blob, span_of(chunk, id % ROOM))
    end
    signatures[id] = found
  end
  return found
end

local function add(page, first, stop, body, free)
  local id
  id, page_chunk[page] = new_record(page_chunk[page], names[page + 1], now, body)
  add_postings(first, stop, id, free)
  return id
end

-- Judge one block: its entry (0: undecided), and which of its candidates are worthless.
local function judge(page, first, stop, body)
  local own
  if any_waiting then
    for i = first, stop do
      for _, other in ipairs(waiting[fields[i]] or {}) do
        own = own or signature(body, 1, #body)
        if not are_unlike(own, other) then return 0 end
      end
    end
  end
  if all_free(first, stop) then return add(page, first, stop, body, true) end
  local text = sub(body, 5, 12)
  for _, id in ipairs(ids_under(first) or {}) do
    if sub(body_of(id), 5, 12) == text then
      -- An undecided block before may repeat the same original: counts come in the order of blocks.
      if described[id] == 2 then return 0 end
      id = renew(id, first, stop)
      count_repeat(id, is_elsewhere(page, id))
      return id + REPEAT
    end
  end
  local worthless = {}
  for i = first, stop do
    for _, id in ipairs(ids_under(i) or {}) do
      if not worthless[id] then
        own = own or signature(body, 1, #body)
        worthless[id] = are_unlike(own, signature_of(id))
        if not worthless[id] then return 0, worthless end
      end
    end
  end
  return add(page, first, stop, body, false)
end

-- Entries as they are kept.
local function pack_entries(list)
  local parts = {}
  for from = 1, #list, PART do
    local to = min(from + PART - 1, #list)
    parts[#parts + 1] = pack('<' .. rep('I4', to - from + 1), unpack(list, from, to))
  end
  return concat(parts)
end

local packed, posting, body_at = {}, 1, 1
local blocks = #ARGV[3] / 7
local heads = slices(ARGV[3], 'I2BI4', 7, 1, blocks)
for block = 1, blocks do
  local page, size, length = heads[3 * block - 2], heads[3 * block - 1], heads[3 * block]
  local first, stop, from = posting, posting + size - 1, body_at
  posting, body_at = posting + size, body_at + length
  if last_page and page > last_page then break end
  local index, entry, worthless, body = indexes[page], 0, nil, sub(ARGV[4], from, body_at - 1)
  indexes[page] = index + 1
  if replayed[page] then
    entry = read('<I4', replayed[page], 9 + 4 * index)
    if entry >= REPEAT then
      local id = forwarded(entry - REPEAT)
      tell_counts_again(id, is_elsewhere(page, id))
    end
  elseif not look and not known[page] then
    entry, worthless = judge(page, first, stop, body)
  end
  if entry == 0 then
    undecided[#undecided + 1] = candidates(first, stop, worthless)
    any_waiting = true
    local own = signature(body, 1, #body)
    for i = first, stop do
      local others = waiting[fields[i]]
      if not others then
        others = {}
        waiting[fields[i]] = others
      end
      others[#others + 1] = own
    end
  end
  packed[block], entries[page][index + 1] = entry, entry
end

finish_replays()
if not look then
  for page = 0, last_page or pages - 1 do
    if not known[page] and not replayed[page] then
      set_page(names[page + 1], operation .. pack_entries(entries[page]), false)
    end
  end
  save()
end
return {'OK', page_replies, pack_entries(packed), concat(counted), undecided, descriptions}
