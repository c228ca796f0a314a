-- pile: dead letters that pile up. ARGV: look, agents: for each {how many, ms of the oldest or 0}, its body left
-- here. Or tell, agent, '1' (too many) or '0' (no longer), log record: told once; returns whether it is news.
if ARGV[1] == 'look' then
  local out = {}
  for i = 2, #ARGV do
    local stream = P .. ':dead:' .. ARGV[i]
    local first = call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
    out[#out + 1] = { call('XLEN', stream), first and tonumber(string.match(first[1], '^%d+')) or 0 }
  end
  return out
end
local changed
if ARGV[3] == '1' then changed = call('HSETNX', P .. ':piled', ARGV[2], now)
else changed = call('HDEL', P .. ':piled', ARGV[2]) end
if changed == 1 then append('event', '', ARGV[4]) end
return changed
