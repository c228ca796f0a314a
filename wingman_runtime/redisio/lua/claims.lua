-- claims: renew, release, list and reclaim pending entries; each acts only for the owner, or past the idle
-- time. ARGV: verb, agent, worker, then entries (renew, release), count (mine), or of reclaim: idle ms, count, own,
-- attempts, and suspects. A suspect was in hand when its workers ended, twice or for its last but one time: it may
-- be what ended them, or only have been beside it. With suspects '1' only such are taken over, with '0' all others.
local verb, agent, worker = ARGV[1], ARGV[2], ARGV[3]
local stream = inbox(agent)
if verb == 'renew' then
  local lost = {}
  for i = 4, #ARGV do
    if pending(agent, ARGV[i]) ~= worker then
      lost[#lost + 1] = ARGV[i]
    elseif #call('XCLAIM', stream, GROUP, worker, 0, ARGV[i], 'JUSTID') == 0 then
      -- The server drops a claim on a deleted entry without a word.
      vanished(agent, ARGV[i], worker)
      lost[#lost + 1] = ARGV[i]
    end
  end
  return lost
elseif verb == 'release' then
  local released = 0
  for i = 4, #ARGV do
    local owner, deliveries = pending(agent, ARGV[i])
    if owner == worker then
      local f = entry_fields(stream, ARGV[i])
      if f then
        call('XACK', stream, GROUP, ARGV[i])
        call('XDEL', stream, ARGV[i])
        -- Given back untouched: this delivery is not counted.
        requeue(agent, f, (tonumber(f.n) or 0) + deliveries - 1, '@' .. ARGV[i])
        released = released + 1
      else
        vanished(agent, ARGV[i], worker)
      end
    end
  end
  return released
elseif verb == 'reclaim' then
  local idle, count, attempts = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[7])
  local page = math.max(count, 100)
  local function suspect(row)
    if row[4] >= 2 then return true end
    local f = entry_fields(stream, row[1])
    return f ~= nil and (tonumber(f.n) or 0) + row[4] + 1 >= attempts
  end
  local out, from = {}, '-'
  repeat
    local rows = call('XPENDING', stream, GROUP, 'IDLE', idle, from, '+', page)
    for _, row in ipairs(rows) do
      from = '(' .. row[1]
      if (row[2] ~= worker or ARGV[6] == '1') and #out < count
        and (ARGV[8] == '' or suspect(row) == (ARGV[8] == '1')) then
        local got = call('XCLAIM', stream, GROUP, worker, idle, row[1])
        if #got == 0 or not got[1][2] then
          vanished(agent, row[1], row[2])
        else
          out[#out + 1] = { row[1], row[4] + 1, got[1][2] }
        end
      end
    end
    -- Idle entries of our own must not hide those of others behind them.
  until #rows < page or #out >= count
  return out
elseif verb == 'mine' then
  -- Reading one's history with XREADGROUP would count a delivery for each.
  local out = {}
  for _, row in ipairs(call('XPENDING', stream, GROUP, '-', '+', ARGV[4], worker)) do
    local found = call('XRANGE', stream, row[1], row[1])
    if #found == 0 then vanished(agent, row[1], worker)
    else out[#out + 1] = { row[1], row[4], found[1][2] } end
  end
  return out
elseif verb == 'leave' then
  if #call('XPENDING', stream, GROUP, '-', '+', 1, worker) > 0 then return 0 end
  call('XGROUP', 'DELCONSUMER', stream, GROUP, worker)
  return 1
end
return redis.error_reply('ERR unknown verb ' .. verb)
