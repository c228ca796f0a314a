-- admit: the one door for requests. ARGV[1] header, [2] event body, [3] log prefix, [4] log
-- record of a replay.
local H = cjson.decode(ARGV[1])
if H.idem then
  local known = call('GET', P .. ':idem:' .. H.idem)
  if known then
    local digest, id = string.match(known, '^(%S+) (%S+)$')
    if digest == H.digest then return { 'duplicate', id } end
    return { 'conflict', id }
  end
end
if H.firing then
  local refused = firing_refused(H.firing)
  if refused then return refused end
end
if call('EXISTS', reqkey(H.r)) == 1 then
  if H.firing then fired(H.firing, H.r) end
  return { 'duplicate', H.r }
end
if H.replay then
  local refused = replay_refused(H.replay, ARGV[4])
  if refused then return refused end
end
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
local full = line_full(H) or tenant_refused(H)
if full then return full end
local start = math.max(now, H.start or 0, now + (H.delay or 0))
local deadline = start + H.deadline
call('HSET', reqkey(H.r), 'flow', flow, 'flow_name', H.flow, 'tenant', H.tenant, 'actor', H.actor,
  'intent', H.intent, 'phase', 0, 'open', 1, 'events', 1, 'status', 'open', 'created', now,
  'deadline', deadline, 'ttl', H.ttl)
if H.trigger then call('HSET', reqkey(H.r), 'trigger', H.trigger, 'nominal', H.nominal) end
call('ZADD', P .. ':open', deadline, H.r)
call('HINCRBY', P .. ':tenants', H.tenant, 1)
if H.idem then
  call('SET', P .. ':idem:' .. H.idem, H.digest .. ' ' .. H.r, 'PX', H.idem_ttl + start - now)
end
if H.firing then fired(H.firing, H.r) end
if H.replay then replayed(H.replay, H.r, ARGV[4]) end
append('event', H.r, ARGV[3], ARGV[2])
-- Accepted, and perhaps not begun: its delivery waits in line or among the timers; cancelled, it is taken from there.
local f = { id = H.ev, r = H.r, ty = H.ty, f = H.flow, fd = flow, t = H.tenant, ph = 0, n = 0, b = ARGV[2] }
if waits_in_line(H, f, start) then
  return { 'admitted', H.r }
elseif start > now then
  begin_later(f, start)
else
  deliver(H.r, 'dispatcher', H.ev, H.ty, H.flow, flow, H.tenant, 0, ARGV[2])
end
return { 'admitted', H.r }
