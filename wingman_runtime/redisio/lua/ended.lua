-- What became of an intent. Only the claim that holds it may settle it; later news is kept beside.
-- H {r, id, own, st, undoes}. Returns {recorded | late | missing, status}.
local function effect_ended(H, effect, record)
  local key = reqkey(H.r) .. ':fx'
  local raw = call('HGET', key, H.id .. ':m')
  if not raw then return { 'missing', '' } end
  local m = cjson.decode(raw)
  if H.st == 'released' then
    -- Nothing was done, and another attempt is for later: the intent was none.
    if m.st ~= 'intent' or m.own ~= H.own then return { 'late', m.st } end
    call('HDEL', key, H.id, H.id .. ':m')
    call('ZREM', P .. ':inflight', H.id .. ' ' .. H.r)
    append('retry', H.r, record)
    return { 'released', '' }
  end
  -- The next claimant may give up on an intent once its deadline has passed: nobody knows what it did.
  local given_up = H.st == 'uncertain' and now >= m.dl
  if m.st ~= 'intent' or (m.own ~= H.own and not given_up) then
    -- A repeated report of what is already recorded is no news.
    if m.st ~= H.st then
      append('effect_result', H.r, record)
      call('HSET', key, H.id .. ':late', effect)
    end
    return { 'late', m.st }
  end
  m.st = H.st
  m.ea = now
  call('ZREM', P .. ':inflight', H.id .. ' ' .. H.r)
  call('HSET', key, H.id, effect, H.id .. ':m', cjson.encode(m))
  if H.undoes and H.undoes ~= '' and H.st == 'done' then
    local undone = call('HGET', key, H.undoes .. ':m')
    if undone then
      local u = cjson.decode(undone)
      u.st = 'compensated'
      call('HSET', key, H.undoes .. ':m', cjson.encode(u))
    end
  end
  append('effect_result', H.r, record)
  return { 'recorded', H.st }
end
