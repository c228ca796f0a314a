-- beat: a worker's heartbeat by the server's clock; a full server must still see who lives. ARGV: name, facts JSON.
call('HSET', P .. ':workers', ARGV[1], '{"at_ms":' .. string.format('%d', now) .. ',' .. string.sub(ARGV[2], 2))
return now
