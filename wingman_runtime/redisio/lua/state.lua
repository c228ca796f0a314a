-- State of a request inside a script: loaded once, changed in place, flushed once.
local STATES = {}
local TABLES = {}

local function load(req)
  local s = STATES[req]
  if s ~= nil then return s end
  if not isreq(req) then return false end
  local v = call('HMGET', reqkey(req), 'flow', 'flow_name', 'tenant', 'phase', 'open', 'events', 'status',
    'dec', 'settled', 'closed', 'aprs', 'ttl', 'first')
  if not v[1] then STATES[req] = false; return false end
  s = { req = req, flow = v[1], flow_name = v[2], tenant = v[3], phase = tonumber(v[4]), open = tonumber(v[5]),
    events = tonumber(v[6]), status = v[7], dec = v[8] or '', settled = v[9] == '1', closed = v[10] == '1',
    aprs = v[11] or '', ttl = tonumber(v[12]), first = v[13] or '' }
  STATES[req] = s
  return s
end

local function flush(s)
  call('HSET', reqkey(s.req), 'phase', s.phase, 'open', s.open, 'events', s.events, 'status', s.status,
    'dec', s.dec, 'settled', s.settled and '1' or '0', 'closed', s.closed and '1' or '0', 'aprs', s.aprs)
  -- Of a request that ended with a stamp in this very script nobody needs the event that decided it.
  if s.closing and not s.stamped then
    call('HSET', reqkey(s.req), 'cl_id', s.closing[1], 'cl_ty', s.closing[2], 'cl_b', s.closing[3])
  end
end

-- The event that decided the outcome: id, type, body.
local function closing_of(s)
  return s.closing or call('HMGET', reqkey(s.req), 'cl_id', 'cl_ty', 'cl_b')
end

local function meta(s, name)
  local rows = TABLES[s.flow]
  if rows == nil then rows = {}; TABLES[s.flow] = rows end
  if rows['@' .. name] == nil then
    rows['@' .. name] = call('HGET', P .. ':flow:' .. s.flow, '@' .. name) or ''
  end
  return rows['@' .. name]
end

-- The route of an event from an agent: the agent's own row, else the row of any agent.
local function route_of(s, agent, etype)
  local rows = TABLES[s.flow]
  if rows == nil then rows = {}; TABLES[s.flow] = rows end
  local name = agent .. '>' .. etype
  local route = rows[name]
  if route == nil then
    local raw = call('HMGET', P .. ':flow:' .. s.flow, name, '*>' .. etype)
    route = raw[1] or raw[2] or false
    if route then route = cjson.decode(route) end
    rows[name] = route
  end
  return route
end

-- What an event must bring along for its route; without it the route could not be applied.
local function lacks(route, e)
  return (type(route.join) == 'table' and not e.jh) or ((route.outcome_field or '') ~= '' and not e.outcome)
end

-- The one terminal outcome; whatever comes later finds it there.
local function finish(s, outcome, final)
  if s.status == 'ended' then return end
  s.status = 'ended'
  if outcome == '' then outcome = 'failed' end
  s.stamped = final ~= ''
  local key = reqkey(s.req)
  call('HSET', key, 'outcome', outcome, 'final', final, 'ended', now)
  call('ZREM', P .. ':open', s.req)
  call('ZADD', P .. ':ended', now + s.ttl, s.req)
  call('XADD', P .. ':outcomes', '*', 'r', s.req, 'o', outcome)
  for id in string.gmatch(s.aprs, '[^,]+') do call('PEXPIRE', P .. ':apr:' .. id, s.ttl) end
  leave_line(s.req)
  tenant_left(s.tenant)
end

-- State, receipts, log and effects go together, once the last write of the script is done.
local function expire(s)
  local key = reqkey(s.req)
  call('PEXPIRE', key, s.ttl)
  call('PEXPIRE', key .. ':steps', s.ttl)
  call('PEXPIRE', key .. ':log', s.ttl)
  call('PEXPIRE', key .. ':fx', s.ttl)
end

-- The first decision wins; it is delivered to the closing agent once no branch is open. A request that was
-- refused when effects had begun keeps that outcome, once they are undone.
local function decide(s, outcome, e)
  if s.phase >= 2 then return end
  if s.first ~= '' and outcome == 'failed' then outcome = s.first end
  s.phase = 2
  s.dec = outcome
  s.closing = { e.id, e.ty, e.body }
end

-- A failure: the running phase is cut. A second one cannot be rolled back again; one past the decision
-- leaves the outcome without a stamp.
local function settle(s, agent, e)
  if s.phase == 0 then
    s.phase = 1
    call('HSET', reqkey(s.req), 'st_to', agent, 'st_id', e.id, 'st_ty', e.ty, 'st_b', e.body)
  elseif s.phase == 1 then
    decide(s, 'rollback_incomplete', e)
  end
end

-- Whether the ledger holds an effect that was, or may have been, applied and not undone.
local function effects_stand(s)
  if not call('HGET', reqkey(s.req), 'fxseq') then return false end
  local flat = call('HGETALL', reqkey(s.req) .. ':fx')
  for i = 1, #flat, 2 do
    if string.sub(flat[i], -2) == ':m' then
      local st = cjson.decode(flat[i + 1]).st
      if st == 'done' or st == 'intent' or st == 'uncertain' then return true end
    end
  end
  return false
end

-- A branch said no beside one that had begun to act: what was applied goes to rollback before the outcome is
-- closed. Returns false where there is nobody to undo it.
local function overtaken(s)
  local agent = meta(s, 'failure')
  if agent == '' or s.settled or s.dec == 'completed' or s.dec == 'uncertain' then return false end
  if not effects_stand(s) then return false end
  local v = closing_of(s)
  local readable, event = pcall(cjson.decode, v[3])
  if not readable then
    append('anomaly', s.req, '{"anomaly":"effects_stand","request":"' .. s.req .. '"}')
    return false
  end
  local reasons = type(event.data) == 'table' and event.data.reasons
  if type(reasons) ~= 'table' or #reasons == 0 then reasons = { 'ended as ' .. s.dec } end
  event.data = { agent = string.match(event.source, '([^/]+)$') or '', cause = 'overtaken', reasons = reasons }
  event.id = 'evt_' .. string.sub(redis.sha1hex(v[1] .. '>overtaken'), 1, 26)
  event.type = 'RequestFailed'
  event.dataschema = 'urn:wingman:event:RequestFailed:1.0.0'
  event.source = '/runtime'
  event.causationid = v[1]
  event.depth = event.depth + 1
  local body = cjson.encode(event)
  append('event', s.req, '{"agent":"runtime","event":', body)
  s.first = s.dec
  s.dec = ''
  s.phase = 1
  s.settled = true
  s.open = 1
  call('HSET', reqkey(s.req), 'first', s.first)
  deliver(s.req, agent, event.id, event.type, s.flow_name, s.flow, s.tenant, 1, body)
  return true
end

-- With no branch open: settle, close, or end; never hang.
local function advance(s, starve)
  if s.status == 'ended' or s.open > 0 then return end
  if s.phase == 0 or (s.phase == 1 and s.settled) then
    if starve then
      append('event', s.req, starve.log, starve.body)
      local route = route_of(s, '*', starve.ty)
      if route and route.settle and route.settle ~= '' then settle(s, route.settle, starve)
      else decide(s, 'failed', starve) end
    else
      append('anomaly', s.req, '{"anomaly":"starved","request":"' .. s.req .. '"}')
      finish(s, s.phase == 1 and 'rollback_incomplete' or 'failed', '')
      return
    end
  end
  if s.phase == 1 and not s.settled then
    local v = call('HMGET', reqkey(s.req), 'st_to', 'st_id', 'st_ty', 'st_b')
    s.settled = true
    s.open = 1
    deliver(s.req, v[1], v[2], v[3], s.flow_name, s.flow, s.tenant, 1, v[4])
  elseif s.phase == 2 and not s.closed then
    if overtaken(s) then return end
    local v = closing_of(s)
    s.closed = true
    local agent = meta(s, 'finally')
    if agent == '' then finish(s, s.dec, v[3]); return end
    s.open = 1
    deliver(s.req, agent, v[1], v[2], s.flow_name, s.flow, s.tenant, 2, v[3])
  elseif s.phase == 2 then
    -- The closing agent ended without a stamp: the outcome stands, and says it has none.
    finish(s, s.dec, '')
  end
end

-- Joined inputs gather in the state; the last one needed opens the joined branch.
local function contribute(s, join, agent, e, phase)
  local key = reqkey(s.req)
  local mark = 'j:' .. join.name
  if call('HGET', key, mark) == 'fired' then return 0 end
  if call('HSETNX', key, mark .. ':' .. agent, e.body) == 0 then return 0 end
  local count = 0
  local inputs = {}
  for _, source in ipairs(join.of) do
    local body = call('HGET', key, mark .. ':' .. source)
    if body then count = count + 1; inputs[count] = body end
  end
  if count < join.need then return 0 end
  call('HSET', key, mark, 'fired')
  local body = e.join_head .. table.concat(inputs, ',') .. e.join_tail
  append('event', s.req, '{"agent":' .. cjson.encode('join:' .. join.name) .. ',"event":', body)
  for _, to in ipairs(join.to) do
    deliver(s.req, to, e.join_id, 'BranchesJoined', s.flow_name, s.flow, s.tenant, phase, body)
  end
  return #join.to
end

-- Send one event on, as the flow's table says. Returns the number of branches it opened.
local function apply_route(s, agent, e, route, phase)
  local opened = 0
  for _, to in ipairs(route.to or {}) do
    deliver(s.req, to, e.id, e.ty, s.flow_name, s.flow, s.tenant, phase, e.body)
    opened = opened + 1
  end
  if type(route.join) == 'table' then opened = opened + contribute(s, route.join, agent, e, phase) end
  if route.settle and route.settle ~= '' then settle(s, route.settle, e) end
  if route.outcome and route.outcome ~= '' then decide(s, route.outcome, e) end
  if route.outcome_field and route.outcome_field ~= '' then decide(s, e.outcome, e) end
  if route['end'] then finish(s, s.dec, e.body) end
  return opened
end

-- Open approvals of a request that is being settled are withdrawn; their waits no longer count.
local function withdraw(s)
  for id in string.gmatch(s.aprs, '[^,]+') do
    local key = P .. ':apr:' .. id
    if call('HGET', key, 'status') == 'open' then
      call('HSET', key, 'status', 'cancelled')
      call('HINCRBY', key, 'v', 1)
      call('ZREM', P .. ':approvals', id)
      s.open = s.open - 1
    end
  end
end

-- A start that is still to come is taken back: nothing of the request has begun.
local function unstart(s)
  local step = call('HGET', reqkey(s.req), 'start_step')
  if not step then return end
  if call('HDEL', reqkey(s.req), 'held') == 0 then
    if call('HDEL', P .. ':timer', step) == 0 then return end
    call('ZREM', P .. ':timers', step)
  end
  call('HSET', reqkey(s.req) .. ':steps', step, 'cut')
  append('cut', s.req, cjson.encode({ agent = 'dispatcher', step = step, reason = 'not begun' }))
  s.open = s.open - 1
end

-- A retry that is still to come comes now: its answer will be cut, and nobody waits a day for that.
local function untime(s)
  local flat = call('HGETALL', reqkey(s.req) .. ':steps')
  for i = 1, #flat, 2 do
    if flat[i + 1] == '@timer' then call('ZADD', P .. ':timers', 'XX', now, flat[i]) end
  end
end

-- Whether a tool may be at work for a request: an intent without an end, its deadline still to come.
local function at_work(req)
  if not call('HGET', reqkey(req), 'fxseq') then return false end
  local flat = call('HGETALL', reqkey(req) .. ':fx')
  for i = 1, #flat, 2 do
    if string.sub(flat[i], -2) == ':m' then
      local m = cjson.decode(flat[i + 1])
      if m.st == 'intent' and now < m.dl then return true end
    end
  end
  return false
end

-- Whether nothing but a halt that lets compensations through keeps a step of a request that settles: its commit
-- would be cut, so that rollback can begin.
local function free_to_be_cut(s, agent, f)
  return s.phase > 0 and s.status ~= 'ended' and (tonumber(f.ph) or 0) == 0
    and not held(agent, f.ty or '', f.f or '', f.t or '', s.req, 1)
end

-- Such steps that wait already go back before their agent, whose worker will have them cut.
local function unpark_cut(s)
  local flat = call('HGETALL', reqkey(s.req) .. ':steps')
  for i = 1, #flat, 2 do
    local agent, parked = string.match(flat[i], '>(.*)$'), string.match(flat[i + 1], '^@parked (.*)$')
    local f = parked and entry_fields(P .. ':parked:' .. agent, parked)
    if f and free_to_be_cut(s, agent, f) then
      take_parked(agent, parked, f)
      requeue(agent, f, tonumber(f.n) or 0, flat[i + 1])
    end
  end
end

local function id_parts(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms) or 0, tonumber(seq) or 0
end

-- Whether the workers' group is past an entry: it was handed out, or skipped.
local function handed_out(agent, entry)
  for _, row in ipairs(call('XINFO', 'GROUPS', inbox(agent))) do
    local group = as_fields(row)
    if group.name == GROUP then
      local ms, seq = id_parts(entry)
      local last_ms, last_seq = id_parts(group['last-delivered-id'])
      return ms < last_ms or (ms == last_ms and seq <= last_seq)
    end
  end
  return false
end

-- Where a step that is under way waits: ``waiting``, ``dropped`` when its entry is there but nobody will ever
-- get it, because somebody acknowledged or skipped it, or ``gone``.
local function whereabouts(req, step, at)
  local agent = string.match(step, '>(.*)$')
  if at == '@line' then return call('HEXISTS', reqkey(req), 'held') == 1 and 'waiting' or 'gone' end
  if at == '@timer' then return call('HEXISTS', P .. ':timer', step) == 1 and 'waiting' or 'gone' end
  local parked = string.match(at, '^@parked (.*)$')
  local stream = parked and P .. ':parked:' .. agent or inbox(agent)
  local entry = parked or string.sub(at, 2)
  if #call('XRANGE', stream, entry, entry) == 0 then return 'gone' end
  -- Without its group an inbox has handed out nothing.
  if parked or not handed_out(agent, entry) or pending(agent, entry) then return 'waiting' end
  return 'dropped', agent, entry
end

-- Close the branches whose entry somebody deleted from outside: nobody else ever will, and the request would
-- wait for them for ever. Looked for only once its deadline has passed.
local function reap(s)
  local flat = call('HGETALL', reqkey(s.req) .. ':steps')
  for i = 1, #flat, 2 do
    if string.sub(flat[i + 1], 1, 1) == '@' and whereabouts(s.req, flat[i], flat[i + 1]) ~= 'waiting' then
      append('anomaly', s.req, cjson.encode({ anomaly = 'lost_step', step = flat[i] }))
      call('HSET', reqkey(s.req) .. ':steps', flat[i], 'lost')
      s.open = s.open - 1
    end
  end
end
