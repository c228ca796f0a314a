-- admit: the one door for requests. ARGV[1] header, [2] event body, [3] log prefix.
local H = cjson.decode(ARGV[1])
if H.idem then
  local known = call('GET', P .. ':idem:' .. H.idem)
  if known then
    local digest, id = string.match(known, '^(%S+) (%S+)$')
    if digest == H.digest then return { 'duplicate', id } end
    return { 'conflict', id }
  end
end
if call('EXISTS', reqkey(H.r)) == 1 then return { 'duplicate', H.r } end
local flow = call('HGET', P .. ':flows', H.flow)
if not flow then return { 'no_flow', H.flow } end
-- What is only paused may queue; any halt that covers the request closes the door.
local rule = held('dispatcher', H.ty, H.flow, H.tenant, H.r, 0, true)
if rule then return { 'halted', rule } end
local lag = call('XLEN', P .. ':log')
if lag >= H.recorder_lag then return { 'recorder_lag', lag } end
for agent in string.gmatch(call('HGET', P .. ':flow:' .. flow, '@agents') or '', '[^,]+') do
  lag = call('XLEN', inbox(agent)) + call('XLEN', P .. ':parked:' .. agent)
  if lag >= H.inbox_lag then return { 'inbox_lag', lag .. ' in ' .. agent } end
end
call('HSET', reqkey(H.r), 'flow', flow, 'flow_name', H.flow, 'tenant', H.tenant, 'actor', H.actor,
  'intent', H.intent, 'phase', 0, 'open', 1, 'events', 1, 'status', 'open', 'created', now,
  'deadline', now + H.deadline, 'ttl', H.ttl)
call('ZADD', P .. ':open', now + H.deadline, H.r)
if H.idem then call('SET', P .. ':idem:' .. H.idem, H.digest .. ' ' .. H.r, 'PX', H.idem_ttl) end
append('event', H.r, ARGV[3], ARGV[2])
deliver(H.r, 'dispatcher', H.ev, H.ty, H.flow, flow, H.tenant, 0, ARGV[2])
return { 'admitted', H.r }
