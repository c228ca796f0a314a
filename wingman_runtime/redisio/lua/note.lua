-- note: one log record that belongs to no request. ARGV: kind, body.
return append(ARGV[1], '', ARGV[2])
