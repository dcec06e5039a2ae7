-- open.lua: make the index where there is none, and say what it is.
--
-- KEYS  1 head
-- ARGV  1 format version, 2 settings (JSON), 3 now (seconds since 1970)
-- RETURNS  {format, settings} as they stand in the head

local call = redis.call
if call('HSETNX', KEYS[1], 'format', ARGV[1]) == 1 then
  call('HSET', KEYS[1], 'settings', ARGV[2], 'generation', 0, 'began', ARGV[3], 'first', 1, 'chunks', 1)
  for parity = 0, 1 do
    for _, total in ipairs({'bits', 'cursor', 'postings', 'pages', 'originals', 'repeats'}) do
      call('HSET', KEYS[1], total .. parity, 0)
    end
  end
end
return call('HMGET', KEYS[1], 'format', 'settings')
