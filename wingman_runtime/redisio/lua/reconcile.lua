-- reconcile: find and mend what should never happen, one kind of key at a time. Each finding is looked at and mended
-- in this one step, so that nobody can come in between, and is on the log with what was done.
-- ARGV: kind, cursor, count, dry ('1': only look), worker and turn of the lease ('' without), then what the kind
-- takes. Returns {next cursor, findings as JSON, requests to fail, effects to give up}; {'held', by} without the lease.
local kind, cursor, count, dry = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4] == '1'
local told, failing, doubtful = {}, {}, {}
local LEASE = P .. ':reconciler'
local KEPT = 604800000

local function answer(following) return { following, told, failing, doubtful } end

-- Tell a finding; whether it is to be mended.
local function found(anomaly, did, req, facts)
  facts.anomaly, facts.did = anomaly, did
  if req ~= '' then facts.request = req end
  local body = cjson.encode(facts)
  told[#told + 1] = body
  if dry then return false end
  append('anomaly', call('EXISTS', reqkey(req)) == 1 and req or '', body)
  return true
end

-- A message that belongs to no step: nobody would ever work on it, and whoever looks for it finds it here.
local function to_dead_letters(agent, f, why)
  call('XADD', P .. ':dead:' .. agent, '*', 'id', f.id or '', 'r', f.r or '', 'ty', f.ty or '', 'f', f.f or '',
    'fd', f.fd or '', 't', f.t or '', 'ph', f.ph or '0', 'n', f.n or '0', 'b', f.b or '',
    'why', cjson.encode({ error = why, worker = 'reconciler' }), 'st', '1', 'pol', '')
  call('SADD', P .. ':buried', agent)
end

-- Back into its line: in front when it has begun, else in order of admission. Whether it is its turn is seen next time.
local function put_back(line, req, held_back)
  if not held_back then return call('LPUSH', line_key(line), req) end
  local since = tonumber(call('HGET', reqkey(req), 'created')) or now
  for _, other in ipairs(call('LRANGE', line_key(line), 0, -1)) do
    local v = call('HMGET', reqkey(other), 'created', 'held')
    if v[2] and (tonumber(v[1]) or 0) > since then return call('LINSERT', line_key(line), 'BEFORE', other, req) end
  end
  call('RPUSH', line_key(line), req)
end

-- Whoever is first in a line is open, and has begun; whoever waits is in it.
local function look_at_line(req)
  local v = call('HMGET', reqkey(req), 'line', 'turn')
  if not v[1] then return end
  local first = call('LINDEX', line_key(v[1]), 0)
  local held_back = call('HEXISTS', reqkey(req), 'held') == 1
  if not call('LPOS', line_key(v[1]), req) then
    if found('out_of_line', 'put back', req, {}) then put_back(v[1], req, held_back) end
  elseif first ~= req and call('HGET', reqkey(first), 'status') ~= 'open' then
    if found('line_held_up', 'the next in line begun', req, { by = first }) then next_in_line(v[1], first) end
  elseif first == req and held_back and found('line_held_up', 'begun', req, {}) then
    turn_of(req, '')
  end
end

local function look_at_request(req)
  local s = load(req)
  if not s or s.status ~= 'open' then
    if found('not_open', 'taken off the list of open requests', isreq(req) and req or '', { member = req }) then
      call('ZREM', P .. ':open', req)
      if s then call('ZADD', P .. ':ended', now + s.ttl, req); expire(s)
      elseif isreq(req) then
        for _, part in ipairs({ ':steps', ':log', ':fx' }) do call('PEXPIRE', reqkey(req) .. part, KEPT) end
      end
    end
    return
  end
  local waiting, lost = 0, false
  local flat = call('HGETALL', reqkey(req) .. ':steps')
  for j = 1, #flat, 2 do
    local step, at = flat[j], flat[j + 1]
    if string.sub(at, 1, 1) == '@' then
      waiting = waiting + 1
      local state, agent, entry = whereabouts(req, step, at)
      if state == 'gone' then lost = true end
      if state == 'gone' then
        -- The letter that fails the request puts this on the log (reap).
        told[#told + 1] = cjson.encode({ anomaly = 'lost_step', request = req, step = step, did = 'request failed' })
      elseif state == 'dropped' and found('dropped_entry', 'delivered again', req, { step = step, entry = entry }) then
        local f = entry_fields(inbox(agent), entry)
        call('XDEL', inbox(agent), entry)
        requeue(agent, f, (tonumber(f.n) or 0) + 1, at)
      end
    end
  end
  for id in string.gmatch(s.aprs, '[^,]+') do
    if call('HGET', P .. ':apr:' .. id, 'status') == 'open' then
      waiting = waiting + 1
      if not call('ZSCORE', P .. ':approvals', id) then
        local due = tonumber(call('HGET', P .. ':apr:' .. id, 'expires_at')) or now
        if found('approval_without_timer', 'put back', req, { approval = id }) then
          call('ZADD', P .. ':approvals', due, id)
        end
      end
    end
  end
  if s.open ~= waiting then
    local did = waiting == 0 and 'request failed' or 'counted again'
    if found('branches_miscounted', did, req, { counted = s.open, waiting = waiting }) then
      s.open = waiting
      flush(s)
    end
    lost = lost or waiting == 0
  end
  if lost then failing[#failing + 1] = req end
  look_at_line(req)
end

local function look_at_payload(step, raw)
  local readable, f = pcall(cjson.decode, raw)
  local at = readable and type(f) == 'table' and step_of(f.r, f.id or '', f.agent or '')
  if at ~= '@timer' then
    if found('timer_without_step', 'dropped', '', { timer = step }) then
      call('HDEL', P .. ':timer', step)
      call('ZREM', P .. ':timers', step)
    end
  elseif not call('ZSCORE', P .. ':timers', step) then
    if found('timer_without_time', 'made due', f.r, { timer = step }) then call('ZADD', P .. ':timers', now, step) end
  end
end

local function look_at_approval(id)
  local v = call('HMGET', P .. ':apr:' .. id, 'status', 'req')
  local open = v[1] == 'open' and call('HGET', reqkey(v[2]), 'status') == 'open'
  if open or not found('approval_not_open', 'taken off the list', v[2] or '', { approval = id }) then return end
  call('ZREM', P .. ':approvals', id)
  if v[1] == 'open' then
    call('HSET', P .. ':apr:' .. id, 'status', 'cancelled')
    call('HINCRBY', P .. ':apr:' .. id, 'v', 1)
    call('PEXPIRE', P .. ':apr:' .. id, KEPT)
  end
end

-- Of an inbox only what was handed out and is not pending: what is still to come is looked at by its worker.
local function look_at_messages(agent, parked)
  local stream = parked and P .. ':parked:' .. agent or inbox(agent)
  local to = '+'
  if not parked then
    if call('EXISTS', stream) == 0 then return '0' end
    to = nil
    for _, row in ipairs(call('XINFO', 'GROUPS', stream)) do
      local group = as_fields(row)
      if group.name == GROUP then to = group['last-delivered-id'] end
    end
    if not to or to == '0-0' then return '0' end
  end
  local rows = call('XRANGE', stream, cursor == '0' and '-' or '(' .. cursor, to, 'COUNT', count)
  for _, row in ipairs(rows) do
    local f = as_fields(row[2])
    local own = step_of(f.r or '', f.id or '', agent) == (parked and '@parked ' or '@') .. row[1]
    if not own and (parked or not pending(agent, row[1])) then
      local facts = { agent = agent, entry = row[1], parked = parked }
      if found('message_without_state', 'put to the dead letters', f.r or '', facts) then
        to_dead_letters(agent, f, 'no request waits for it')
        if parked then take_parked(agent, row[1], f) else call('XDEL', stream, row[1]) end
      end
    end
  end
  return #rows == count and rows[#rows][1] or '0'
end

-- An effect that began long ago, where no step of its agent is under way that would find out what became of it.
local function look_at_effects(grace)
  local from = tonumber(cursor)
  local rows = call('ZRANGEBYSCORE', P .. ':inflight', '-inf', now - grace, 'LIMIT', from, count)
  for _, member in ipairs(rows) do
    local id, req = string.match(member, '^(%S+) (%S+)$')
    local raw = id and isreq(req) and call('HGET', reqkey(req) .. ':fx', id .. ':m')
    local m = raw and cjson.decode(raw)
    if not m or m.st ~= 'intent' then
      if not dry then call('ZREM', P .. ':inflight', member) end
    else
      local waiting = false
      local flat = call('HGETALL', reqkey(req) .. ':steps')
      for i = 1, #flat, 2 do
        local mine = string.match(flat[i], '>(.*)$') == m.ag and string.sub(flat[i + 1], 1, 1) == '@'
        waiting = waiting or mine
      end
      if not waiting then
        -- Of a step that was given up on, in a request that has ended since, this is the end it was left to.
        if call('HGET', reqkey(req), 'status') ~= 'ended' then
          found('effect_without_claimant', 'reported as uncertain', req, { effect = id, tool = m.tool })
        end
        doubtful[#doubtful + 1] = member
      end
    end
  end
  return #rows == count and tostring(from + count) or '0'
end

local function look_at_tenants()
  if call('ZCARD', P .. ':open') > count then return end
  local open = {}
  for _, req in ipairs(call('ZRANGE', P .. ':open', 0, -1)) do
    local tenant = call('HGET', reqkey(req), 'tenant')
    if tenant then open[tenant] = (open[tenant] or 0) + 1 end
  end
  local counted = as_fields(call('HGETALL', P .. ':tenants'))
  for tenant in pairs(counted) do open[tenant] = open[tenant] or 0 end
  for tenant, number in pairs(open) do
    local facts = { tenant = tenant, counted = tonumber(counted[tenant]) or 0, open = number }
    if facts.counted ~= number and found('tenant_miscounted', 'counted again', '', facts) then
      if number == 0 then call('HDEL', P .. ':tenants', tenant)
      else call('HSET', P .. ':tenants', tenant, number) end
    end
  end
end

local function look_at_group(agent)
  if call('EXISTS', inbox(agent)) == 1 then
    for _, row in ipairs(call('XINFO', 'GROUPS', inbox(agent))) do
      if as_fields(row).name == GROUP then return end
    end
  end
  if found('group_missing', 'made', '', { agent = agent }) then
    call('XGROUP', 'CREATE', inbox(agent), GROUP, '0', 'MKSTREAM')
  end
end

local holder = call('HMGET', LEASE, 'worker', 'until', 'turn')
if kind == 'lease' then
  local free = holder[1] == ARGV[5] or now >= (tonumber(holder[2]) or 0) or ARGV[8] == '1'
  if not free then return { 'held', holder[1] } end
  call('HSET', LEASE, 'worker', ARGV[5], 'until', now + ARGV[7])
  return { tostring(call('HINCRBY', LEASE, 'turn', 1)) }
end
if ARGV[5] ~= '' and (holder[1] ~= ARGV[5] or holder[3] ~= ARGV[6]) then return { 'held', holder[1] or '' } end

if kind == 'done' then
  call('HSET', LEASE, 'at', now)
  if tonumber(ARGV[7]) > 0 then
    call('HINCRBY', LEASE, 'found', ARGV[7])
    call('HSET', LEASE, 'found_at', now, 'last', ARGV[8])
  end
  return answer('0')
elseif kind == 'groups' then
  for i = 7, #ARGV do look_at_group(ARGV[i]) end
  return answer('0')
elseif kind == 'requests' then
  if not dry and not rules_whole() and call('HSETNX', P .. ':control', 'noted', '1') == 1 then
    append('anomaly', '', '{"anomaly":"rules_changed"}')
  end
  local scanned = call('ZSCAN', P .. ':open', cursor, 'COUNT', count)
  for i = 1, #scanned[2], 2 do look_at_request(scanned[2][i]) end
  return answer(scanned[1])
elseif kind == 'timers' then
  local scanned = call('ZSCAN', P .. ':timers', cursor, 'COUNT', count)
  for i = 1, #scanned[2], 2 do
    local step = scanned[2][i]
    if call('HEXISTS', P .. ':timer', step) == 0
      and found('timer_without_payload', 'dropped; its request fails', '', { timer = step }) then
      call('ZREM', P .. ':timers', step)
    end
  end
  return answer(scanned[1])
elseif kind == 'payloads' then
  local scanned = call('HSCAN', P .. ':timer', cursor, 'COUNT', count)
  for i = 1, #scanned[2], 2 do look_at_payload(scanned[2][i], scanned[2][i + 1]) end
  return answer(scanned[1])
elseif kind == 'approvals' then
  local scanned = call('ZSCAN', P .. ':approvals', cursor, 'COUNT', count)
  for i = 1, #scanned[2], 2 do look_at_approval(scanned[2][i]) end
  return answer(scanned[1])
elseif kind == 'inbox' or kind == 'parked' then
  return answer(look_at_messages(ARGV[7], kind == 'parked'))
elseif kind == 'effects' then
  return answer(look_at_effects(tonumber(ARGV[7])))
elseif kind == 'tenants' then
  look_at_tenants()
  return answer('0')
end
return redis.error_reply('ERR unknown kind ' .. kind)
