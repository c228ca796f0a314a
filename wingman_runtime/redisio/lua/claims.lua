-- claims: renew, release and reclaim pending entries; each acts only for the owner, or past the idle time.
-- ARGV: verb, agent, worker, then entries (renew, release), or idle ms and count (reclaim).
local verb, agent, worker = ARGV[1], ARGV[2], ARGV[3]
local stream = inbox(agent)
if verb == 'renew' then
  local lost = {}
  for i = 4, #ARGV do
    if pending(agent, ARGV[i]) == worker then
      call('XCLAIM', stream, GROUP, worker, 0, ARGV[i], 'JUSTID')
    else
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
      call('XACK', stream, GROUP, ARGV[i])
      call('XDEL', stream, ARGV[i])
      -- Given back untouched: this delivery is not counted.
      if f then readd(stream, f, tonumber(f.n or '0') + deliveries - 1) end
      released = released + 1
    end
  end
  return released
elseif verb == 'reclaim' then
  local idle, count = ARGV[4], ARGV[5]
  local out = {}
  for _, row in ipairs(call('XPENDING', stream, GROUP, 'IDLE', idle, '-', '+', count)) do
    if row[2] ~= worker then
      local got = call('XCLAIM', stream, GROUP, worker, idle, row[1])
      if #got == 0 or not got[1][2] then
        -- Pending without an entry: somebody deleted it from outside. Say so; it must not stay pending.
        call('XACK', stream, GROUP, row[1])
        append('anomaly', '', cjson.encode({ anomaly = 'pending_without_entry', agent = agent, entry = row[1],
          owner = row[2] }))
      else
        out[#out + 1] = { row[1], row[4] + 1, got[1][2] }
      end
    end
  end
  return out
elseif verb == 'leave' then
  for _, row in ipairs(call('XPENDING', stream, GROUP, '-', '+', 1, worker)) do return 0 end
  call('XGROUP', 'DELCONSUMER', stream, GROUP, worker)
  return 1
end
return redis.error_reply('ERR unknown verb ' .. verb)
