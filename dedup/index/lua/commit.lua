-- commit.lua: settle what a client has decided: originals to add, repeats to count, blocks that are a
-- page's own again, originals to release, counts to take back.
--
-- The client decided on what it saw. So an original is added only where each id under its keys is one
-- that the client verified (or one added by this very call); else the block stays undecided and comes
-- back with the originals that are there now. A repeat is counted only where its original still
-- stands. A page is written only where it still is as the client saw it. Sent again under its operation
-- id, it finds the page written and says what it did.
--
-- KEYS  as in _records.lua
-- ARGV  1 call, as in _records.lua
--       2 pages: of each, length of its id (u16), its id, operation id under which it stands now (8;
--         zeros: it is not there), what becomes of it (u8: 0 kept, 1 begun anew, 2 dropped), entries
--         when it is complete (u32)
--       3 blocks: of each, page (u16), its entry's place (u32, from 0), action (u8: 0 add, 1 count a
--         repeat, 2 its own again, 3 count a repeat of the block that this call adds as its id-th),
--         postings (u8; of the block to add, or, where originals expire, of the original), id (u32; of
--         the original, for 1 and 2), elsewhere (u8: counts a page), verified ids (u16), length of its
--         body (u32)
--       4 bodies back to back (for 2 the position alone), each followed by its verified ids (u32 each)
--       5 postings back to back: those of the blocks, then those of the originals to release
--       6 originals to release: id (u32), postings (u8)
--       7 counts to take back: id (u32), seen (u32), pages (u8)
-- RETURNS  {"CLOSED"}, {"FULL"}, {"MOVED"}: a page is not as the client saw it; or {"OK", {}, entries,
--       counted, undecided, originals} as check.lua; undecided is "" where the original is gone

local pages, at, count_of_pages = {}, 1, 0
local all_replayed = true
while at <= #ARGV[2] do
  local length, mode, total
  length, at = read('<I2', ARGV[2], at)
  local name = sub(ARGV[2], at, at + length - 1)
  local seen = sub(ARGV[2], at + length, at + length + 7)
  mode, total, at = read('<BI4', ARGV[2], at + length + 8)
  local held, one = page_value(name)
  local page = {name = name, mode = mode, held = held, one = one, entries = {}}
  local under = held and sub(held, 1, 8) or string.rep('\0', 8)
  page.replayed = under == operation or (mode == 2 and not held)
  if not page.replayed and under ~= seen then return {'MOVED'} end
  if held and (mode == 0 or page.replayed) then
    for i = 9, #held, 4 do
      local entry = sub(held, i, i + 3)
      page.entries[#page.entries + 1] = entry
      local id = read('<I4', entry)
      if id > 0 and id < REPEAT then page.chunk = floor(id / ROOM) end
    end
  end
  for i = #page.entries + 1, total do page.entries[i] = '\0\0\0\0' end
  all_replayed = all_replayed and page.replayed
  pages[count_of_pages] = page
  count_of_pages = count_of_pages + 1
end

local packed, undecided, added, made_by = {}, {}, {}, {}

-- Whether each id under these postings was verified by the client, or added here.
local function all_verified(first, stop, verified)
  for i = first, stop do
    for _, id in ipairs(ids_under(i) or {}) do
      if not (verified[id] or added[id] or origin[id] and verified[origin[id]]) then return false end
    end
  end
  return true
end

if not all_replayed then
  for i = 1, #ARGV[7], 9 do
    local id, seen, page_count = read('<I4I4B', ARGV[7], i)
    local body
    id, body = forwarded(id)
    local held = counts_of(id)
    if body ~= '' and held.seen >= seen then
      set_counts(id, held.seen - seen, held.pages - page_count, held.last)
    end
  end
end

-- Settle one block: its entry (0: undecided).
local function settle(page, action, id, elsewhere, first, stop, body, verified)
  if action == 1 or action == 3 then
    if action == 3 then id = made_by[id] or 0 end
    local its
    id, its = forwarded(id)
    if its == '' then return 0 end
    if action == 1 then id = renew(id, first, stop) end
    count_repeat(id, elsewhere == 1)
    return id + REPEAT
  elseif action == 2 then
    id = renew(forwarded(id), first, stop)
    local chunk = unpacked(floor(id / ROOM))
    chunk.bodies[id % ROOM] = body .. sub(chunk.bodies[id % ROOM], 5)
    chunk.last = now
    return id
  elseif all_verified(first, stop, verified) then
    id, page.chunk = new_record(page.chunk, page.name, now, body)
    add_postings(first, stop, id)
    added[id] = true
    return id
  end
  return 0
end

local posting, body_at = 1, 1
at = 1
for block = 1, #ARGV[3] / 19 do
  local number_of_page, place, action, size, id, elsewhere, checked, length
  number_of_page, place, action, size, id, elsewhere, checked, length, at =
    read('<I2I4BBI4BI2I4', ARGV[3], at)
  local page, first, stop = pages[number_of_page], posting, posting + size - 1
  local body, verified = sub(ARGV[4], body_at, body_at + length - 1), {}
  posting, body_at = posting + size, body_at + length
  for i = 1, checked do verified[read('<I4', ARGV[4], body_at + 4 * i - 4)] = true end
  body_at = body_at + 4 * checked
  local entry
  if page.replayed then
    entry = page.entries[place + 1] and read('<I4', page.entries[place + 1]) or 0
    if entry >= REPEAT then tell_counts_again(forwarded(entry - REPEAT), elsewhere == 1) end
  else
    entry = settle(page, action, id, elsewhere, first, stop, body, verified)
  end
  if entry == 0 then
    undecided[#undecided + 1] = action == 0 and candidates(first, stop) or ''
  elseif entry < REPEAT then
    made_by[block - 1] = entry
  end
  packed[block] = pack('<I4', entry)
  page.entries[place + 1] = packed[block]
end

finish_replays()
if not all_replayed then
  for i = 1, #ARGV[6], 5 do
    local id, size = read('<I4B', ARGV[6], i)
    local body
    id, body = forwarded(id)
    remove_postings(fresh, posting, posting + size - 1, id)
    if old then remove_postings(old, posting, posting + size - 1, id) end
    posting = posting + size
    if body ~= '' then
      local chunk = unpacked(floor(id / ROOM))
      set_counts(id, 0, 1, 0)
      chunk.bodies[id % ROOM] = ''
      count(chunk.one, 'originals', -1)
    end
  end
  for number_of_page = 0, count_of_pages - 1 do
    local page = pages[number_of_page]
    if page.mode == 2 then
      if page.held then
        count(page.one, 'pages', -1)
        call('HDEL', page.one.pages, page.name)
      end
    elseif not page.replayed then
      set_page(page.name, operation .. concat(page.entries), page.one)
    end
  end
  save()
end
return {'OK', {}, concat(packed), concat(counted), undecided, descriptions}
