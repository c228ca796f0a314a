-- Dead letters that are taken out of their stream, replayed or discarded: what became of each is kept for a while.
-- L {agent, entry, old, by, reason, ttl, again, force}; ``old`` is the letter's request.
local function laid_key(what) return P .. ':laid:' .. what end

local function lay(L, what, into, record)
  call('XDEL', P .. ':dead:' .. L.agent, L.entry)
  local key = laid_key(L.agent .. ':' .. L.entry)
  call('HSET', key, 'what', what, 'by', L.by, 'reason', L.reason, 'at', now, 'r', L.old, 'into', into)
  call('PEXPIRE', key, L.ttl)
  local known = isreq(L.old) and call('EXISTS', reqkey(L.old)) == 1
  append('admin', known and L.old or '', record)
end

-- Whether a request is still under way, or anything it did is, or may be, still there. What undid something is
-- meant to stay.
local function unsettled(req, force)
  local status = call('HGET', reqkey(req), 'status')
  if status == 'open' then return { 'settling', req } end
  if force then return nil end
  if not status then return { 'forgotten', req } end
  local flat = call('HGETALL', reqkey(req) .. ':fx')
  for i = 1, #flat, 2 do
    if string.sub(flat[i], -2) == ':m' then
      local st = cjson.decode(flat[i + 1]).st
      if st == 'done' or st == 'intent' or st == 'uncertain' then
        local body = call('HGET', reqkey(req) .. ':fx', string.sub(flat[i], 1, -3))
        if not body or cjson.decode(body).kind ~= 'compensate' then return { 'stands', req } end
      end
    end
  end
  return nil
end

-- Why a letter may not be replayed now, or the replay that there is already; nil: it may.
local function replay_refused(L, record)
  local was = call('HMGET', laid_key(L.agent .. ':' .. L.entry), 'what', 'into')
  local letter = entry_fields(P .. ':dead:' .. L.agent, L.entry)
  if not letter and not was[1] then return { 'missing', '' } end
  if letter and (letter.st == '1' or letter.r ~= L.old) then return { 'stray', letter.r or '' } end
  local last = call('HGET', laid_key(L.old), 'into')
  if not L.again then
    if was[1] then return { was[1], was[2] } end
    if last then
      -- Another letter of the same request was replayed before: the whole request was.
      lay(L, 'replayed', last, record)
      return { 'replayed', last }
    end
  end
  return unsettled(L.old, L.force) or (last and unsettled(last, L.force)) or nil
end

local function replayed(L, into, record)
  lay(L, 'replayed', into, record)
  call('HSET', laid_key(L.old), 'into', into)
  call('PEXPIRE', laid_key(L.old), L.ttl)
  call('HSET', reqkey(into), 'replays', L.old)
end
