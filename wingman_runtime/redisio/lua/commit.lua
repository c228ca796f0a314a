-- commit: record the finished steps of one agent, all clauses checked before anything is written.
-- ARGV[1] header {agent, worker, msgs}; ARGV[2..] opaque bodies, addressed by index in the header.
-- A message may bring ``eager`` steps: answers of further agents to the one event that the step before it sends.
-- Returns {epoch, {verdict, detail} per message, number of steps recorded}.
local H = cjson.decode(ARGV[1])
local agent, worker = H.agent, H.worker
local function body(i) return ARGV[i + 1] end
local policy = call('HGET', P .. ':control', 'policy') or ''
local SPARE = 16
local budgets, versions, seen = {}, {}, {}

-- What flow, rules, policy and budgets say of an answer, whoever brings it. ``m.fields`` is its source entry where
-- that is at hand.
local function refused(m, s)
  m.ph = math.min(m.ph, s.phase)
  local rule = held(m.agent, m.ty, s.flow_name, s.tenant, m.r, m.ph)
  if rule then return { 'stale_control', rule } end
  if m.d == 'retry' then return nil end
  if m.p ~= '' and m.p ~= policy then return { 'stale_policy', policy } end
  if m.ap then
    local have = call('HMGET', P .. ':apr:' .. m.ap.id, 'v', 'req')
    local other = have[2] and have[2] ~= m.r
    if other or (tonumber(have[1]) or 0) ~= m.ap.v or versions[m.ap.id] then return { 'conflict', m.ap.id } end
  end
  -- Flows stored before this row existed have the default.
  if #m.em > (tonumber(meta(s, 'fan_out')) or 16) then return { 'over_budget', 'fan_out' } end
  local spent = budgets[m.r] or s.events
  -- A request that used up its budget must still be able to undo what it did, and to be stamped.
  local spare = m.ph > 0 and SPARE or 0
  for _, e in ipairs(m.em) do
    local route = route_of(s, m.agent, e.ty)
    if not route or lacks(route, e) then return { 'refused_emit', e.ty } end
    if e.k == 'routed' then
      -- Forwarding passes on the very event that came in: its own entry is the source, not the worker's word.
      m.fields = m.fields or entry_fields(inbox(m.agent), m.e)
      if e.id ~= m.ev or not m.fields or m.fields.ty ~= e.ty then return { 'refused_emit', e.ty } end
    end
    if not e.sys then
      if e.dp > (tonumber(meta(s, 'depth')) or 0) + spare then return { 'over_budget', 'depth' } end
      spent = spent + 1
      if spent > (tonumber(meta(s, 'events')) or 0) + spare then return { 'over_budget', 'events' } end
    end
  end
  -- Counted only once the whole message has passed: a refused one must not spend for its neighbours.
  budgets[m.r] = spent
  if m.ap then versions[m.ap.id] = true end
  return nil
end

local function check(m)
  local first = seen[m.e]
  if first then
    if first.d == 'done' or first.d == 'bury' then return { 'already_committed', first.rc } end
    return { 'fenced', worker }
  end
  local receipt = step_of(m.r, m.ev, agent)
  local owner, deliveries = pending(agent, m.e)
  m.owned = owner == worker
  m.deliveries = deliveries
  -- A step that is done has no entry any more: one that is still pending is a copy from outside.
  if receipt and string.sub(receipt, 1, 1) ~= '@' then return { 'already_committed', receipt } end
  if not m.owned then return { 'fenced', owner or '' } end
  if m.d ~= 'done' then
    m.fields = entry_fields(inbox(agent), m.e)
    if not m.fields then
      -- Deleted from outside. Burying needs no more than is known; the rest is for whoever reclaims to report.
      if m.d ~= 'bury' then return { 'fenced', owner } end
      m.fields = { id = m.ev, r = m.r, ty = m.ty }
    end
  end
  if m.d == 'park' then return nil end
  local s = load(m.r)
  local logged = receipt == '@' .. m.e
  if m.d == 'bury' and (not s or not logged) then m.stray = true; return nil end
  if not s then return { 'gone', m.r } end
  if not logged then return { 'unlogged', m.ev } end
  return refused(m, s)
end

local function write_approval(s, ap)
  local key = P .. ':apr:' .. ap.id
  local old = call('HGET', key, 'status')
  if not old then
    call('HSET', key, 'req', s.req, 'tenant', s.tenant, 'digest', ap.digest, 'expires_at', now + ap.ttl,
      'used', '', 'at', now)
    s.aprs = s.aprs == '' and ap.id or (s.aprs .. ',' .. ap.id)
    if ap.st == 'open' then
      call('ZADD', P .. ':approvals', now + ap.ttl, ap.id)
      s.open = s.open + 1
    end
  elseif old == 'open' and ap.st ~= 'open' then
    call('ZREM', P .. ':approvals', ap.id)
    s.open = s.open - 1
  end
  call('HSET', key, 'v', ap.v + 1, 'status', ap.st, 'json', body(ap.b))
end

local touched = {}
local recorded = 0

local function write_done(m)
  local s = load(m.r)
  touched[m.r] = s
  local before = s.phase
  local cut = m.ph < before or s.status == 'ended'
  for _, record in ipairs(m.lg) do append(record[1], m.r, body(record[2])) end
  if m.ap and not cut then write_approval(s, m.ap) end
  for _, e in ipairs(m.em) do
    e.body = e.k == 'routed' and m.fields.b or body(e.b)
    if e.jh then e.join_head = body(e.jh); e.join_tail = body(e.jt) end
    append(cut and 'cut' or e.k, m.r, body(e.pre), e.k ~= 'routed' and e.body or nil)
    if not e.sys then s.events = s.events + 1 end
    if not cut then s.open = s.open + apply_route(s, m.agent, e, route_of(s, m.agent, e.ty), m.ph) end
  end
  if s.phase > before then withdraw(s) end
  mark_step(m.r, m.ev, m.agent, m.rc)
  s.open = s.open - 1
  if m.sv then m.sv.body = body(m.sv.b); m.sv.log = body(m.sv.pre) end
  advance(s, m.sv)
end

local function write_retry(m, f, delivered)
  f.n = delivered
  f.agent = m.agent
  local step = m.ev .. '>' .. m.agent
  call('ZADD', P .. ':timers', now + m.delay, step)
  call('HSET', P .. ':timer', step, cjson.encode(f))
  mark_step(m.r, m.ev, m.agent, '@timer')
  for _, record in ipairs(m.lg) do append(record[1], m.r, body(record[2])) end
end

-- The answers that came along, each to the delivery that the one before has just made. The first that may not
-- be recorded now, or whose delivery did not come about, ends it: the delivery is then made as any other.
local function write_eager(head)
  local steps = head.eager or {}
  awaited = steps[1]
  write_done(head)
  for i, m in ipairs(steps) do
    local f = awaited.f
    awaited = nil
    if not f then return end
    m.fields = f
    m.ph = f.ph
    local s = load(m.r)
    local foreseen = m.dec and m.dec ~= s.dec
    if foreseen or f.ty ~= m.ty or refused(m, s) then
      deliver(f.r, m.agent, f.id, f.ty, f.f, f.fd, f.t, f.ph, f.b)
      return
    end
    recorded = recorded + 1
    if m.d == 'retry' then return write_retry(m, f, 1) end
    awaited = steps[i + 1]
    write_done(m)
  end
end

-- Whether what a worker would park is a step that will never go on, and that rollback waits for.
local function to_be_cut(m, f)
  if step_of(m.r, m.ev, agent) ~= '@' .. m.e then return false end
  local s = load(m.r)
  return s and free_to_be_cut(s, agent, f) and not at_work(m.r)
end

local verdicts, acks = {}, {}
for i, m in ipairs(H.msgs) do
  m.agent = agent
  verdicts[i] = check(m) or { 'committed', m.rc }
  local v = verdicts[i][1]
  if v == 'committed' then seen[m.e] = m end
  if m.owned and (v == 'committed' or v == 'already_committed') then acks[#acks + 1] = m.e end
end

-- Acknowledge before adding: work in flight drains a full server instead of being stuck behind it.
for first = 1, #acks, 1000 do
  local last = math.min(first + 999, #acks)
  call('XACK', inbox(agent), GROUP, unpack(acks, first, last))
  call('XDEL', inbox(agent), unpack(acks, first, last))
end

marks = {}
for i, m in ipairs(H.msgs) do
  -- What was done in the world was done, whatever becomes of the step.
  for _, fx in ipairs(m.fx or {}) do effect_ended(fx, body(fx.b), body(fx.lg)) end
  if verdicts[i][1] == 'already_committed' and m.owned then
    append('anomaly', m.r, cjson.encode({ anomaly = 'copied_entry', agent = agent, entry = m.e, event_id = m.ev }))
  elseif verdicts[i][1] == 'committed' then
    recorded = recorded + 1
    local f = m.fields
    local before = f and tonumber(f.n) or 0
    if m.d == 'done' then
      write_eager(m)
    elseif m.d == 'park' and to_be_cut(m, f) then
      local s = load(m.r)
      touched[m.r] = s
      append('cut', m.r, cjson.encode({ agent = agent, step = m.ev .. '>' .. agent, reason = 'not gone on with' }))
      mark_step(m.r, m.ev, agent, 'cut')
      s.open = s.open - 1
      advance(s, nil)
    elseif m.d == 'park' then
      -- The rule may be gone since the worker saw it: nobody would come to fetch the entry then.
      if held(agent, f.ty or '', f.f or '', f.t or '', f.r or '', tonumber(f.ph)) then
        move_step(f, agent, '@' .. m.e, '@parked ' .. park(agent, f, before + m.deliveries - 1))
      elseif m.aw then
        f.aw = m.aw
        move_step(f, agent, '@' .. m.e, '@parked ' .. park(agent, f, before + m.deliveries - 1))
      else
        requeue(agent, f, before + m.deliveries - 1, '@' .. m.e)
      end
    elseif m.d == 'retry' then
      write_retry(m, f, before + m.deliveries)
    elseif m.d == 'bury' then
      call('XADD', P .. ':dead:' .. agent, '*', 'id', f.id or '', 'r', f.r or '', 'ty', f.ty or '', 'f', f.f or '',
        'fd', f.fd or '', 't', f.t or '', 'ph', f.ph or '0', 'n', before + m.deliveries, 'b', f.b or '', 'why', body(m.why),
        'st', m.stray and '1' or '0', 'pol', policy)
      call('SADD', P .. ':buried', agent)
      if m.stray then
        for _, record in ipairs(m.lg) do append(record[1], '', body(record[2])) end
        -- The system event that a step would have sent is not sent for a stray: this is its record.
        if #m.lg == 0 then
          append('anomaly', '', '{"anomaly":"stray","entry":' .. cjson.encode({ agent = agent, entry = m.e,
            event_id = m.ev, event_type = m.ty, request = m.r }) .. ',"why":' .. body(m.why) .. '}')
        end
      else
        write_done(m)
      end
    end
  end
end
for req, of in pairs(marks) do
  -- In parts: Lua has room for some thousand arguments, and a batch may fan out to more steps than that.
  for first = 1, #of, 1000 do
    call('HSET', reqkey(req) .. ':steps', unpack(of, first, math.min(first + 999, #of)))
  end
end
for _, s in pairs(touched) do
  flush(s)
  if s.status == 'ended' then expire(s) end
end
return { tonumber(call('HGET', P .. ':control', 'epoch') or '0'), verdicts, recorded }
