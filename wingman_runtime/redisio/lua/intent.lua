-- intent: the point of no return before an effect. ARGV[1] header, [2] effect JSON, [3] log body.
-- Returns {kind, detail, wait ms}.
local H = cjson.decode(ARGV[1])
local key = reqkey(H.r) .. ':fx'
if pending(H.agent, H.e) ~= H.worker then return { 'refused', 'fenced', 0 } end
local s = load(H.r)
if not s then return { 'refused', 'unlogged', 0 } end
if step_of(H.r, H.ev, H.agent) ~= '@' .. H.e then return { 'refused', 'unlogged', 0 } end
local entry = entry_fields(inbox(H.agent), H.e)
if not entry then return { 'refused', 'fenced', 0 } end
local raw = call('HGET', key, H.id .. ':m')
local m = raw and cjson.decode(raw) or nil
-- What has begun is given up on at its deadline only, whatever became of its request meanwhile.
local begun = m and m.st == 'intent'
if s.status == 'ended' and not begun then return { 'refused', 'cut', 0 } end
local phase = H.kind == 'compensate' and 1 or 0
if held(H.agent, entry.ty, s.flow_name, s.tenant, H.r, phase) then return { 'refused', 'held', 0 } end
local own = H.worker .. ' ' .. H.e
local attempt = H.attempt
if m then
  if not begun then return { 'known', m.st, 0 } end
  if m.own ~= own then
    if not H.takeover or now < m.dl then return { 'in_doubt', m.st, math.max(0, m.dl - now) } end
    attempt = m.n + 1
  else
    attempt = math.max(attempt, m.n)
  end
end
-- Effects belong to the request's first phase, compensations to its settling.
if s.status == 'ended' or s.phase ~= phase then return { 'refused', 'cut', 0 } end
if H.kind == 'apply' then
  local v = call('HMGET', P .. ':apr:' .. H.apr, 'status', 'expires_at', 'digest', 'used', 'req')
  if v[1] ~= 'approved' or v[5] ~= H.r then return { 'refused', 'approval', 0 } end
  if v[3] ~= H.digest or now >= tonumber(v[2]) then return { 'refused', 'approval', 0 } end
  if v[4] ~= '' and v[4] ~= H.ev then return { 'refused', 'approval', 0 } end
  call('HSET', P .. ':apr:' .. H.apr, 'used', H.ev)
else
  local undone = call('HGET', key, H.undoes .. ':m')
  local u = undone and cjson.decode(undone)
  if not u or u.st ~= 'done' then return { 'refused', 'missing', 0 } end
  -- One undoing at a time: another may try only once this one is known to have failed.
  if u.by and u.by ~= H.id then
    local other = call('HGET', key, u.by .. ':m')
    if other and cjson.decode(other).st ~= 'failed' then return { 'refused', 'undoing', 0 } end
  end
  u.by = H.id
  call('HSET', key, H.undoes .. ':m', cjson.encode(u))
end
local seq = m and m.seq or call('HINCRBY', reqkey(H.r), 'fxseq', 1)
call('HSET', key, H.id, ARGV[2], H.id .. ':m', cjson.encode({ st = 'intent', seq = seq, n = attempt,
  own = own, ia = m and m.ia or now, ea = 0, dl = now + H.timeout, ag = H.agent, ty = entry.ty, tool = H.tool,
  kind = H.kind }))
call('ZADD', P .. ':inflight', now + H.timeout, H.id .. ' ' .. H.r)
-- The effect comes last in the record: its attempt is known only here.
append('effect_intent', H.r, string.sub(ARGV[3], 1, -3) .. ',"attempt":' .. attempt .. '}}')
return { 'go', tostring(attempt), 0 }
