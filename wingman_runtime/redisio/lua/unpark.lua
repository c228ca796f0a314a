-- unpark: put parked entries of one agent that no rule holds any longer back into its inbox.
-- ARGV: agent, exclusive cursor, count. Returns {moved, next cursor or ''}.
local agent, cursor, count = ARGV[1], ARGV[2], tonumber(ARGV[3])
local stream = P .. ':parked:' .. agent
local rows = call('XRANGE', stream, cursor == '' and '-' or '(' .. cursor, '+', 'COUNT', count)
local moved = 0
for _, row in ipairs(rows) do
  local f = {}
  for i = 1, #row[2], 2 do f[row[2][i]] = row[2][i + 1] end
  if not held(agent, f.ty, f.f, f.t, f.r, tonumber(f.ph)) then
    call('XDEL', stream, row[1])
    readd(inbox(agent), f, f.n)
    moved = moved + 1
  end
end
return { moved, #rows == count and rows[#rows][1] or '' }
