-- Lines: the open requests of one ordering key, in order of admission. The first of P:line:<key> is under way,
-- or is being closed. What another begins with waits in its own state (``held``); its step is marked ``@line``.
local function line_key(line) return P .. ':line:' .. line end

-- How many wait already, when no more may. The first one does not wait.
local function line_full(H)
  local waiting = H.line and call('LLEN', line_key(H.line)) - 1 or 0
  if H.line and waiting >= H.line_limit then return { 'line_full', waiting } end
  return nil
end

-- A start that is still to come waits among the timers.
local function begin_later(f, start)
  local step = f.id .. '>dispatcher'
  f.agent = 'dispatcher'
  call('HSET', reqkey(f.r), 'start', start, 'start_step', step)
  call('ZADD', P .. ':timers', start, step)
  call('HSET', P .. ':timer', step, cjson.encode(f))
  mark_step(f.r, f.id, 'dispatcher', '@timer')
end

-- Take a place in the line; whether it has to wait there. ``f`` is the delivery it begins with.
local function waits_in_line(H, f, start)
  if not H.line then return false end
  local before = call('LINDEX', line_key(H.line), -1)
  local place = call('RPUSH', line_key(H.line), f.r) - 1
  call('HSET', reqkey(f.r), 'order', H.order, 'line', H.line)
  if place == 0 then call('HSET', reqkey(f.r), 'turn', now); return false end
  if start > now then call('HSET', reqkey(f.r), 'start', start) end
  call('HSET', reqkey(f.r), 'held', cjson.encode(f), 'start_step', f.id .. '>dispatcher')
  mark_step(f.r, f.id, 'dispatcher', '@line')
  append('wait', f.r, cjson.encode({ agent = 'line', ordering_key = H.order, waits_for = before, place = place }))
  return true
end

-- Its turn has come. One that was cancelled while it waited holds nothing any more, and has its turn to close.
local function turn_of(req, after)
  local v = call('HMGET', reqkey(req), 'held', 'start', 'order')
  call('HSET', reqkey(req), 'turn', now)
  if not v[1] then return end
  call('HDEL', reqkey(req), 'held')
  append('wait', req, cjson.encode({ agent = 'line', ordering_key = v[3], begins_after = after }))
  local f, start = cjson.decode(v[1]), tonumber(v[2]) or 0
  if start > now then begin_later(f, start)
  else deliver(req, 'dispatcher', f.id, f.ty, f.f, f.fd, f.t, 0, f.b) end
end

-- Whoever is first in the line now begins. Returns how many there were who should have left it long ago.
local function next_in_line(line, after)
  local stale = 0
  local req = call('LINDEX', line_key(line), 0)
  while req do
    if isreq(req) and call('HGET', reqkey(req), 'status') == 'open' then
      turn_of(req, after)
      return stale
    end
    append('anomaly', '', cjson.encode({ anomaly = 'ended_in_line', request = req, line = line }))
    call('LPOP', line_key(line))
    stale = stale + 1
    req = call('LINDEX', line_key(line), 0)
  end
  return stale
end

-- A request has ended: it leaves its line, and the next begins in the same step.
local function leave_line(req)
  local line = call('HGET', reqkey(req), 'line')
  if not line then return end
  local first = call('LINDEX', line_key(line), 0)
  call('LREM', line_key(line), 1, req)
  if first == req then next_in_line(line, req) end
end
