-- post: a letter into a request that is under way (a vote, a cancellation, a timeout), routed by the flow.
-- ARGV[1] header {r, from, id, ty, apr?}, [2] body, [3] log prefix.
local H = cjson.decode(ARGV[1])
local s = load(H.r)
if not s then return { 'missing', H.r } end
if s.status == 'ended' then return { 'ended', call('HGET', reqkey(H.r), 'outcome') } end
local route = route_of(s, H.from, H.ty)
if not route then return { 'refused_emit', H.ty } end
if H.from == 'timer' and H.apr then call('ZADD', P .. ':approvals', 'XX', now + 60000, H.apr) end
for _, to in ipairs(route.to or {}) do
  if call('HEXISTS', reqkey(H.r) .. ':steps', H.id .. '>' .. to) == 1 then return { 'duplicate', H.id } end
end
local settles = (route.settle and route.settle ~= '') or (route.outcome and route.outcome ~= '')
if s.phase > 0 then
  -- Already settling: look again in an hour rather than at every sweep.
  if H.from == 'timer' and not H.apr then call('ZADD', P .. ':open', 'XX', now + 3600000, H.r) end
  return { 'decided', s.dec }
end
if H.apr then
  local v = call('HMGET', P .. ':apr:' .. H.apr, 'status', 'expires_at', 'digest')
  if not v[1] then return { 'missing', H.apr } end
  if v[1] ~= 'open' then return { 'closed', v[1] } end
  if H.digest and H.digest ~= v[3] then return { 'other_plan', v[3] } end
  if H.vote and now >= tonumber(v[2]) then return { 'closed', 'expired' } end
end
local e = { id = H.id, ty = H.ty, body = ARGV[2] }
append('event', H.r, ARGV[3] .. ARGV[2] .. '}')
s.events = s.events + 1
s.open = s.open + apply_route(s, H.from, e, route, 0)
if settles then withdraw(s) end
advance(s, nil)
flush(s)
if s.status == 'ended' then expire(s) end
return { 'posted', H.id }
