-- commit.lua: settle what a client has decided: originals to add, repeats to count, blocks that are a
-- page's own again, originals to release, counts to take back.
--
-- The client decided on what it saw. So an original is added only where each id under its keys is one
-- that the client verified (or one added by this very call); else the block stays undecided and comes
-- back with the originals that are there now. A repeat is counted only where its original still
-- stands. A page is written only where it still is as the client saw it. Sent again under its operation
-- id, it finds the page written and says what it did.
--
-- KEYS  as in check.lua
-- ARGV  1 call: operation id (8), now (u32), bits (u8), splitting (u8), look (u8: 0)
--       2 pages: of each, length of its id (u16), its id, operation id under which it stands now (8;
--         zeros: it is not there), what becomes of it (u8: 0 kept, 1 begun anew, 2 dropped), chunk with
--         room for more (u32; all ones: none), entries when it is complete (u32)
--       3 blocks: of each, page (u16), its entry's place (u32, from 0), action (u8: 0 add, 1 count a
--         repeat, 2 its own again, 3 count a repeat of the block that this call adds as its id-th), postings (u8; 0 but for 0), id (u32; of the original, for 1 and 2),
--         elsewhere (u8: counts a page), verified ids (u16), length of its body (u32)
--       4 bodies back to back (for 2 the position alone), then verified ids (u32 each) of each block,
--         in one string each after the other: body, ids, body, ids ...
--       5 postings back to back: those of the blocks to add, then those of the originals to release
--       6 originals to release: id (u32), postings (u8)
--       7 counts to take back: id (u32), seen (u32), pages (u8)
-- RETURNS  {"CLOSED"}, {"STALE", bits, cursor}, {"MOVED"}: a page is not as the client saw it; or
--       {"OK", cursor, postings, pages, blocks, originals} as check.lua; "E" for a repeat counted, "N"
--       for an original added or its page's own

local names, pages, at, count = {}, {}, 1, 0
while at <= #ARGV[2] do
  local length, mode, chunk, total
  length, at = read('<I2', ARGV[2], at)
  local name = sub(ARGV[2], at, at + length - 1)
  local seen = sub(ARGV[2], at + length, at + length + 7)
  mode, chunk, total, at = read('<BI4I4', ARGV[2], at + length + 8)
  local held = call('HGET', PAGES, name)
  local page = {name = name, mode = mode, held = held, entries = {}, total = total}
  if chunk ~= 4294967295 then page.chunk = chunk end
  if held and sub(held, 1, 8) == operation then
    page.replayed = true
  elseif (held and sub(held, 1, 8) or string.rep('\0', 8)) ~= seen then
    return {'MOVED'}
  elseif mode == 2 and not held then
    page.replayed = true
  end
  if held and (mode == 0 or page.replayed) then
    for i = 1, (#held - 8) / 4 do page.entries[i] = sub(held, 5 + 4 * i, 8 + 4 * i) end
  end
  for i = #page.entries + 1, total do page.entries[i] = '\0\0\0\0' end
  pages[count] = page
  count = count + 1
end

local all_replayed = true
for page = 0, count - 1 do all_replayed = all_replayed and pages[page].replayed end

local block_replies, added, made_by = {}, {}, {}
local postings_change, originals, repeats = 0, 0, 0
local posting, body_at = 1, 1
at = 1

-- The ids under each of a block's keys, or nil where one of them was neither verified nor added here.
local function verified_ids(first, stop, verified)
  local under = {}
  for i = first, stop do
    local key, field = place(i)
    local ids = call('HGET', key, field)
    if ids then
      for j = 1, #ids, 4 do
        local id = read('<I4', ids, j)
        if not verified[id] and not added[id] then return nil end
      end
    end
    under[i] = ids
  end
  return under
end

local function add_postings(first, stop, under, id)
  local packed = pack('<I4', id)
  for i = first, stop do
    local ids = under[i]
    if not ids or #ids < 16 then
      local key, field = place(i)
      call('HSET', key, field, (ids or '') .. packed)
      if not ids then postings_change = postings_change + 1 end
    end
  end
end

if not all_replayed then
  for i = 1, #ARGV[7], 9 do
    local id, seen, page_count = read('<I4I4B', ARGV[7], i)
    local has, on, last = counters_of(id)
    if body_of(id) ~= '' and has >= seen then
      set_counters(id, has - seen, on - page_count, last)
      repeats = repeats - seen
    end
  end
end

for block = 1, #ARGV[3] / 19 do
  local page, place_in_page, action, size, id, elsewhere, checked, length
  page, place_in_page, action, size, id, elsewhere, checked, length, at =
    read('<I2I4BBI4BI2I4', ARGV[3], at)
  page = pages[page]
  local body = sub(ARGV[4], body_at, body_at + length - 1)
  body_at = body_at + length
  local ids_at = body_at
  body_at = body_at + 4 * checked
  local first, stop = posting, posting + size - 1
  posting = posting + size
  local entry, reply = 0, nil
  if page.replayed then
    local done = page.entries[place_in_page + 1]
    entry = done and read('<I4', done) or 0
    if entry >= 2147483648 then
      reply = repeat_reply(entry - 2147483648)
    elseif entry > 0 then
      reply = 'N' .. pack('<I4', entry)
    end
  elseif action == 1 or action == 3 then
    if action == 3 then id = made_by[id] or 0 end
    if body_of(id) ~= '' then
      entry, reply = id + 2147483648, count_repeat(id, elsewhere == 1)
      repeats = repeats + 1
    end
  elseif action == 2 then
    local chunk = unpacked(floor(id / 256))
    chunk.bodies[id % 256] = body .. sub(chunk.bodies[id % 256], 5)
    chunk.last = now
    changed[floor(id / 256)] = chunk
    entry, reply = id, 'N' .. pack('<I4', id)
  else
    local verified = {}
    for i = ids_at, body_at - 1, 4 do verified[read('<I4', ARGV[4], i)] = true end
    local under = verified_ids(first, stop, verified)
    if under then
      local made
      made, page.chunk = new_record(page.chunk, page.name, body)
      add_postings(first, stop, under, made)
      added[made], made_by[block - 1] = true, made
      originals = originals + 1
      entry, reply = made, 'N' .. pack('<I4', made)
    end
  end
  if not reply then reply = size > 0 and candidates(first, size) or 'G' end
  page.entries[place_in_page + 1] = pack('<I4', entry)
  block_replies[block] = reply
end

if not all_replayed then
  for i = 1, #ARGV[6], 5 do
    local id, size = read('<I4B', ARGV[6], i)
    local chunk, packed = unpacked(floor(id / 256)), pack('<I4', id)
    for number = posting, posting + size - 1 do
      local key, field = place(number)
      local ids = call('HGET', key, field) or ''
      local kept = {}
      for j = 1, #ids, 4 do
        if sub(ids, j, j + 3) ~= packed then kept[#kept + 1] = sub(ids, j, j + 3) end
      end
      if #kept * 4 < #ids then
        if #kept == 0 then
          call('HDEL', key, field)
          postings_change = postings_change - 1
        else
          call('HSET', key, field, table.concat(kept))
        end
      end
    end
    posting = posting + size
    if chunk and chunk.bodies[id % 256] ~= '' then
      chunk.bodies[id % 256] = ''
      changed[floor(id / 256)] = chunk
      originals = originals - 1
      repeats = repeats - counters_of(id)
      set_counters(id, 0, 1, 0)
    end
  end
  local page_change = 0
  for number = 0, count - 1 do
    local page = pages[number]
    if page.mode == 2 then
      if page.held then
        call('HDEL', PAGES, page.name)
        page_change = page_change - 1
      end
    elseif not page.replayed then
      call('HSET', PAGES, page.name, operation .. table.concat(page.entries))
      if not page.held then page_change = page_change + 1 end
    end
  end
  save_chunks()
  count_in_header({postings = postings_change, originals = originals, repeats = repeats, pages = page_change})
end
return {'OK', cursor, call('HGET', HEADER, 'postings'), {}, block_replies, descriptions}
