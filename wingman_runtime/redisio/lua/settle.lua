-- settle: a person says what became of an effect nobody knows the end of, by a request that passed today's gates.
-- ARGV[1] header {r, id, st, owner, tenant, by, why, into, undoes}, [2] effect JSON, [3] log body.
-- Returns {settled | missing | foreign | open | known, status}.
local H = cjson.decode(ARGV[1])
if not isreq(H.r) then return { 'missing', '' } end
local key = reqkey(H.r) .. ':fx'
local v = call('HMGET', reqkey(H.r), 'status', 'actor', 'tenant')
local raw = call('HGET', key, H.id .. ':m')
if not v[1] or not raw then return { 'missing', '' } end
if v[2] ~= H.owner or v[3] ~= H.tenant then return { 'foreign', '' } end
local m = cjson.decode(raw)
-- The same request again: its first answer was lost.
if m.into == H.into and m.st == H.st then return { 'settled', m.st } end
if v[1] ~= 'ended' then return { 'open', m.st } end
if m.st ~= 'uncertain' and not (m.st == 'intent' and now >= m.dl) then return { 'known', m.st } end
m.st = H.st
m.ea = m.ea > 0 and m.ea or now
m.by_whom = H.by
m.why = H.why
m.into = H.into
m.sa = now
call('HSET', key, H.id, ARGV[2], H.id .. ':m', cjson.encode(m))
call('ZREM', P .. ':inflight', H.id .. ' ' .. H.r)
if H.undoes ~= '' and H.st == 'done' then
  local undone = call('HGET', key, H.undoes .. ':m')
  if undone then
    local u = cjson.decode(undone)
    u.st = 'compensated'
    call('HSET', key, H.undoes .. ':m', cjson.encode(u))
  end
end
append('effect_result', H.r, ARGV[3])
return { 'settled', H.st }
