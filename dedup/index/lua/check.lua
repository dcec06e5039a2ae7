-- check.lua: judge blocks of whole pages, as far as that needs no similarity; add what is plainly new.
--
-- A block whose text the index holds is an exact repeat: counted. A block that shares no key with any
-- original is new: added. Every other block is undecided: nothing is changed for it, and the ids under
-- each of its keys come back, with the originals, for the client to verify and commit.lua to settle.
-- Undecided too are blocks that share a key with an undecided one before them, and all blocks of a
-- page that the index knows. Such a page may release originals, so it is taken by itself: the pages from
-- it on, or those after it where it comes first, are left alone. Sent again under its operation id, it
-- finds what it did and says so.
--
-- KEYS  1 header  2 pages  3 records  4 counters  5.. buckets: one for each posting, in order; while
--       buckets split two for each: before and after
-- ARGV  1 call: operation id (8), now (u32), bits (u8), splitting (u8), look (u8: change nothing)
--       2 pages: of each, length of its id (u16) and its id
--       3 blocks: of each, page (u16, from 0), postings (u8), length of its body (u32)
--       4 bodies back to back: position (u32), fingerprint (8), trace (2 bytes a token)
--       5 postings back to back: 5 bytes each; of a block the fingerprint's first, then the keys'
-- RETURNS  {"CLOSED"}: there is no index here; {"STALE", bits, cursor}: the client's are not those; or
--       {"OK", cursor, postings, pages, blocks, originals}:
--       pages: of each "", or its entries where the index knew it before, or "-": left alone
--       blocks: of each "N" id (u32), "E" id, seen, pages (u32 each), or "U" and of each posting a count (u8) and ids;
--         none for blocks of pages left alone
--       originals: those that blocks name (see describe)

local names, entries, known, replayed, indexes, page_chunk = {}, {}, {}, {}, {}, {}
local page_replies, at, count, last_page = {}, 1, 0, nil
while at <= #ARGV[2] do
  local length
  length, at = read('<I2', ARGV[2], at)
  local name = sub(ARGV[2], at, at + length - 1)
  at = at + length
  names[count], entries[count], indexes[count] = name, {}, 0
  local held = not last_page and call('HGET', PAGES, name)
  page_replies[count + 1] = last_page and '-' or ''
  if held and sub(held, 1, 8) == operation then
    replayed[count] = held
  elseif held and not look and count > 0 then
    last_page = count - 1
    page_replies[count + 1] = '-'
  elseif held then
    known[count] = true
    page_replies[count + 1] = held
    if not look then last_page = count end
  end
  count = count + 1
end

local block_replies, waiting, any_waiting = {}, {}, false
local new_postings, originals, repeats = 0, 0, 0
local counted = {}

-- The original with this very text; "" where the fingerprint's field is free, nil where others hold it.
local function find_exact(number, body)
  local key, field = place(number)
  local ids = call('HGET', key, field)
  if not ids then return '' end
  local text = sub(body, 5)
  for i = 1, #ids, 4 do
    local id = read('<I4', ids, i)
    if sub(body_of(id), 5) == text then return id end
  end
  return nil
end

-- Add a block unless one of its keys is taken; nothing is left behind then.
local function try_to_add(page, first, stop, body)
  local number = page_chunk[page]
  local chunk = number and chunks[number]
  if chunk and chunk.count == 255 then chunk, number = nil, nil end
  local id = chunk and number * 256 + chunk.count or next_chunk * 256
  local packed = pack('<I4', id)
  for i = first, stop do
    local key, field = place(i)
    if call('HSETNX', key, field, packed) == 0 then
      for j = first, i - 1 do
        local other, its = place(j)
        call('HDEL', other, its)
      end
      return nil
    end
  end
  local made
  made, page_chunk[page] = new_record(number, names[page], body)
  return made
end

local posting, body_at = 1, 1
at = 1
for block = 1, #ARGV[3] / 7 do
  local page, size, length
  page, size, length, at = read('<I2BI4', ARGV[3], at)
  local body = sub(ARGV[4], body_at, body_at + length - 1)
  local first, stop = posting, posting + size - 1
  posting, body_at = posting + size, body_at + length
  if last_page and page > last_page then break end
  local index = indexes[page]
  indexes[page] = index + 1
  local entry, reply = 0, nil
  if replayed[page] then
    entry = read('<I4', replayed[page], 9 + 4 * index)
    if entry >= 2147483648 then
      reply = repeat_reply(entry - 2147483648)
    elseif entry > 0 then
      reply = 'N' .. pack('<I4', entry)
    end
  elseif not look and not known[page] then
    local held = false
    if any_waiting then
      for i = first, stop do
        local _, field = place(i)
        held = held or waiting[field]
      end
    end
    local exact = not held and find_exact(first, body)
    -- An undecided block before may repeat the same original: counts come in the order of blocks.
    if exact and described[exact] == 2 then exact = false end
    if exact == '' then
      local id = try_to_add(page, first, stop, body)
      if id then
        entry, reply = id, 'N' .. pack('<I4', id)
        new_postings, originals = new_postings + size, originals + 1
      end
    elseif exact then
      local mark = page .. ':' .. exact
      local elsewhere = load_chunk(floor(exact / 256)).name ~= names[page] and not counted[mark]
      counted[mark] = true
      entry, reply = exact + 2147483648, count_repeat(exact, elsewhere)
      repeats = repeats + 1
    end
  end
  if not reply then
    reply = candidates(first, size)
    any_waiting = true
    for i = first, stop do
      local _, field = place(i)
      waiting[field] = true
    end
  end
  entries[page][index + 1] = pack('<I4', entry)
  block_replies[block] = reply
end

if not look then
  local pages = 0
  for page = 0, last_page or count - 1 do
    if not known[page] and not replayed[page] then
      call('HSET', PAGES, names[page], operation .. table.concat(entries[page]))
      pages = pages + 1
    end
  end
  save_chunks()
  count_in_header({postings = new_postings, originals = originals, repeats = repeats, pages = pages})
end
return {'OK', cursor, call('HGET', HEADER, 'postings'), page_replies, block_replies, descriptions}
