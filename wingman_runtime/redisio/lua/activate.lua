-- activate: store a flow's table under its digest and make it the one new requests are pinned to.
-- ARGV: name, digest, log body, then rows (field, value).
local name, digest, record = ARGV[1], ARGV[2], ARGV[3]
local key = P .. ':flow:' .. digest
for i = 4, #ARGV, 2 do call('HSET', key, ARGV[i], ARGV[i + 1]) end
if call('HGET', P .. ':flows', name) == digest then return 0 end
call('HSET', P .. ':flows', name, digest)
append('admin', '', record)
return 1
