-- Shared by every script. KEYS[1] is the partition's anchor; all other keys derive from it (same slot).
local P = KEYS[1]
local GROUP = 'workers'
local call = redis.call
local clock = call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function inbox(agent) return P .. ':in:' .. agent end
local function reqkey(req) return P .. ':req:' .. req end

-- Only such an id names a request; anything else could name another key of ours.
local function isreq(req) return type(req) == 'string' and string.match(req, '^req_p%d+_%x+$') ~= nil end

-- One numbered record in the log, and in the request's own list. Nothing changes without one. The record of an
-- event is in two parts, ``body`` and ``event``, which readers put together: a script that joins them makes
-- two more copies of each.
local function append(kind, req, body, event)
  local n = call('INCR', P .. ':logseq')
  event = event or ''
  call('XADD', P .. ':log', '*', 'n', n, 'at', now, 'k', kind, 'req', req, 'b', body, 'e', event)
  if req ~= '' then call('RPUSH', reqkey(req) .. ':log', n .. ' ' .. now .. ' ' .. kind, body, event) end
  return n
end

-- The rule that holds such a message, or nil. Compensation (phase 1) passes a halt_compensate;
-- with ``halts`` a pause is no obstacle.
local rules_exist = nil
local rules_known = nil

-- Whether there are as many rules as were set: a pause must not end because somebody deleted its rule.
local function rules_whole()
  if rules_known == nil then
    local count = call('HLEN', P .. ':rules')
    rules_exist = count > 0
    rules_known = count == (tonumber(call('HGET', P .. ':control', 'rules')) or 0)
  end
  return rules_known
end

local function held(agent, event, flow, tenant, req, phase, halts)
  if not rules_whole() then return '{"target":"all","mode":"pause","reason":"rules were changed from outside"}' end
  if not rules_exist then return nil end
  local found = call('HMGET', P .. ':rules', 'all', 'agent:' .. agent, 'event:' .. event,
    'flow:' .. flow, 'tenant:' .. tenant, 'request:' .. req)
  for i = 1, 6 do
    if found[i] then
      local rule = cjson.decode(found[i])
      local passes = (rule.mode == 'halt_compensate' and phase == 1) or (halts and rule.mode == 'pause')
      if not passes then return found[i] end
    end
  end
  return nil
end

-- Owner and deliveries of one pending entry, or nil.
local function pending(agent, entry)
  local rows = call('XPENDING', inbox(agent), GROUP, entry, entry, 1)
  if #rows == 0 then return nil end
  return rows[1][2], tonumber(rows[1][4])
end

-- A step (event and agent) that is under way names the one entry it may be done for: ``@`` and the entry in
-- the inbox, ``@parked`` and the parked one, ``@timer``, or ``@line``. A copy put there from outside is another entry.
-- A step that is done has its receipt in that place.
local function step_of(req, id, agent)
  if not isreq(req) then return false end
  return call('HGET', reqkey(req) .. ':steps', id .. '>' .. agent)
end

-- With ``marks`` a table they are gathered there, for one write a request in the end.
local marks = nil
local function mark_step(req, id, agent, is)
  if not marks then return call('HSET', reqkey(req) .. ':steps', id .. '>' .. agent, is) end
  local of = marks[req] or {}
  marks[req] = of
  of[#of + 1] = id .. '>' .. agent
  of[#of + 1] = is
end

local function move_step(f, agent, was, is)
  if step_of(f.r, f.id or '', agent) == was then mark_step(f.r, f.id, agent, is) end
end

-- A delivery whose answer came along in the same commit (an eager step): kept back until that answer is checked.
local awaited = nil

-- Put one event before one agent. Naming its entry is what makes the delivery a logged one.
local function deliver(req, agent, id, etype, flow, digest, tenant, phase, body)
  if awaited and not awaited.f and awaited.r == req and awaited.agent == agent and awaited.ev == id then
    awaited.f = { id = id, r = req, ty = etype, f = flow, fd = digest, t = tenant, ph = phase, n = 0, b = body }
    return
  end
  local entry = call('XADD', inbox(agent), '*', 'id', id, 'r', req, 'ty', etype, 'f', flow, 'fd', digest,
    't', tenant, 'ph', phase, 'n', 0, 'b', body)
  mark_step(req, id, agent, '@' .. entry)
end

local function as_fields(flat)
  local fields = {}
  for i = 1, #flat, 2 do fields[flat[i]] = flat[i + 1] end
  return fields
end

-- An entry's fields as a table, from XRANGE; nil when it is no longer there.
local function entry_fields(stream, entry)
  local rows = call('XRANGE', stream, entry, entry)
  if #rows == 0 then return nil end
  return as_fields(rows[1][2])
end

-- Put an entry into a stream as a new one, its count of past deliveries set to n; returns its id.
local function readd(stream, f, n, awaits)
  local row = { 'id', f.id or '', 'r', f.r or '', 'ty', f.ty or '', 'f', f.f or '', 'fd', f.fd or '', 't', f.t or '',
    'ph', f.ph or '0', 'n', n, 'b', f.b or '' }
  if awaits then row[#row + 1] = 'aw'; row[#row + 1] = awaits end
  return call('XADD', stream, '*', unpack(row))
end

-- What waits for a later release is counted by agent, event, its version and the least one that reads it.
local function count_newer(agent, f, by)
  local what = agent .. ' ' .. (f.ty or '') .. ' ' .. f.aw
  if call('HINCRBY', P .. ':newer', what, by) <= 0 then call('HDEL', P .. ':newer', what) end
end

-- Park an entry; returns its id there. ``f.aw`` names what it awaits, if that is a later release.
local function park(agent, f, n)
  local parked = readd(P .. ':parked:' .. agent, f, n, f.aw)
  if f.aw then count_newer(agent, f, 1) end
  return parked
end

local function take_parked(agent, entry, f)
  if call('XDEL', P .. ':parked:' .. agent, entry) == 1 and f.aw then count_newer(agent, f, -1) end
end

-- The same into an inbox, for the step that was waiting as ``was``.
local function requeue(agent, f, n, was)
  move_step(f, agent, was, '@' .. readd(inbox(agent), f, n))
end

-- A pending entry that somebody deleted from outside: it cannot be worked on, so it must not look pending.
local function vanished(agent, entry, owner)
  call('XACK', inbox(agent), GROUP, entry)
  append('anomaly', '', cjson.encode({ anomaly = 'pending_without_entry', agent = agent, entry = entry,
    owner = owner }))
end
