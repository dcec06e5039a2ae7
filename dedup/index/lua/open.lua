-- open.lua: make the index where there is none, and say what it is.
--
-- KEYS  1 header
-- ARGV  1 format version, 2 settings (JSON, keys in order), 3 bits of the first number of buckets
-- RETURNS  {format, settings, bits, cursor} as they stand in the header

local call = redis.call
if call('HSETNX', KEYS[1], 'format', ARGV[1]) == 1 then
  call('HSET', KEYS[1], 'settings', ARGV[2], 'bits', ARGV[3], 'cursor', -1, 'postings', 0,
    'chunks', 1, 'originals', 0, 'repeats', 0, 'pages', 0)
end
return call('HMGET', KEYS[1], 'format', 'settings', 'bits', 'cursor')
