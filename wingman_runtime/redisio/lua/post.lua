-- post: a letter into a request that is under way (a vote, a cancellation, a timeout), routed by the flow.
-- ARGV[1] header {r, from, id, ty, apr?, vote?, digest?}, [2] body, [3] log prefix.
local H = cjson.decode(ARGV[1])
local s = load(H.r)
local overdue = H.from == 'timer' and not H.apr
if not s then
  if overdue then call('ZREM', P .. ':open', H.r) end
  return { 'missing', H.r }
end
if s.status == 'ended' then return { 'ended', call('HGET', reqkey(H.r), 'outcome') } end
local route = route_of(s, H.from, H.ty)
local e = { id = H.id, ty = H.ty, body = ARGV[2] }
if not route or lacks(route, e) then return { 'refused_emit', H.ty } end
if H.from == 'timer' and H.apr then call('ZADD', P .. ':approvals', 'XX', now + 60000, H.apr) end
for _, to in ipairs(route.to or {}) do
  if step_of(H.r, H.id, to) then return { 'duplicate', H.id } end
end
if s.phase > 0 then
  local decided = s.dec
  if overdue then
    -- Already settling: look again in an hour rather than at every sweep.
    call('ZADD', P .. ':open', 'XX', now + 3600000, H.r)
    reap(s)
    advance(s, nil)
    flush(s)
    if s.status == 'ended' then expire(s) end
  elseif call('HGET', reqkey(H.r), 'st_id') == H.id then
    -- A cancellation that is under way, asked for again.
    return { 'duplicate', H.id }
  end
  return { 'decided', decided }
end
if H.apr then
  local v = call('HMGET', P .. ':apr:' .. H.apr, 'status', 'expires_at', 'digest', 'req')
  if not v[1] or v[4] ~= H.r then return { 'missing', H.apr } end
  if v[1] ~= 'open' then return { 'closed', v[1] } end
  if H.digest and H.digest ~= v[3] then return { 'other_plan', v[3] } end
  if H.vote and now >= tonumber(v[2]) then return { 'closed', 'expired' } end
end
append('event', H.r, ARGV[3], ARGV[2])
s.events = s.events + 1
s.open = s.open + apply_route(s, H.from, e, route, 0)
if s.phase > 0 then withdraw(s); unstart(s); untime(s); unpark_cut(s) end
if overdue then reap(s) end
advance(s, nil)
flush(s)
if s.status == 'ended' then expire(s) end
return { 'posted', H.id }
