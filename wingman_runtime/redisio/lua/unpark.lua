-- unpark: put parked entries of one agent that no rule holds any longer back into its inbox.
-- ARGV: agent, exclusive cursor, count. Returns {moved, next cursor or ''}.
local agent, cursor, count = ARGV[1], ARGV[2], tonumber(ARGV[3])
local stream = P .. ':parked:' .. agent
local rows = call('XRANGE', stream, cursor == '' and '-' or '(' .. cursor, '+', 'COUNT', count)
local moved = 0
for _, row in ipairs(rows) do
  local f = as_fields(row[2])
  local phase = tonumber(f.ph)
  -- Of a request that settles: a halt that lets compensations through lets it be cut.
  if phase == 0 and isreq(f.r) and call('HGET', reqkey(f.r), 'phase') == '1' then phase = 1 end
  if not held(agent, f.ty or '', f.f or '', f.t or '', f.r or '', phase) then
    call('XDEL', stream, row[1])
    requeue(agent, f, tonumber(f.n) or 0, '@parked ' .. row[1])
    moved = moved + 1
  end
end
return { moved, #rows == count and rows[#rows][1] or '' }
