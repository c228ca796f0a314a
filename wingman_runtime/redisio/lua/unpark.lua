-- unpark: put parked entries of one agent that no rule holds any longer back into its inbox.
-- ARGV: agent, exclusive cursor, count, what the caller reads (event -> version, JSON), how many of those that await a
-- later release may go back. Returns {moved, next cursor or '', how many of them had awaited one}.
local agent, cursor, count, most = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[5])
local reads = cjson.decode(ARGV[4])
local stream = P .. ':parked:' .. agent
local rows = call('XRANGE', stream, cursor == '' and '-' or '(' .. cursor, '+', 'COUNT', count)
local moved, newer = 0, 0

local function number(version)
  local major, minor, patch = string.match(version or '', '^(%d+)%.(%d+)%.(%d+)$')
  return major and (tonumber(major) * 1e12 + tonumber(minor) * 1e6 + tonumber(patch))
end

for _, row in ipairs(rows) do
  local f = as_fields(row[2])
  local ready = true
  if f.aw then
    local least, have = number(string.match(f.aw, '(%S+)$')), number(reads[f.ty])
    ready = newer < most and least and have and have >= least
  end
  local phase = tonumber(f.ph)
  -- Of a request that settles: a halt that lets compensations through lets it be cut.
  if phase == 0 and isreq(f.r) and call('HGET', reqkey(f.r), 'phase') == '1' then phase = 1 end
  if ready and not held(agent, f.ty or '', f.f or '', f.t or '', f.r or '', phase) then
    take_parked(agent, row[1], f)
    requeue(agent, f, tonumber(f.n) or 0, '@parked ' .. row[1])
    moved = moved + 1
    if f.aw then newer = newer + 1 end
  end
end
return { moved, #rows == count and rows[#rows][1] or '', newer }
