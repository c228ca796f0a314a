-- Effects in flight: an intent and no end. The index P:inflight holds ``effect request`` by deadline; what
-- is said of each comes from the ledger, which is the truth.

-- What a list for people says of those that ``target`` covers; JSON, and how many they are.
local function in_flight(target)
  local scope, name = string.match(target, '^(%a+):?(.*)$')
  local told = {}
  for _, member in ipairs(call('ZRANGE', P .. ':inflight', 0, -1)) do
    local id, req = string.match(member, '^(%S+) (%S+)$')
    local raw = id and isreq(req) and call('HGET', reqkey(req) .. ':fx', id .. ':m')
    local m = raw and cjson.decode(raw)
    if not m or m.st ~= 'intent' then
      -- Its request's time has passed, or somebody changed the ledger by hand.
      call('ZREM', P .. ':inflight', member)
    else
      local covered = scope == 'all' or (scope == 'agent' and m.ag == name) or (scope == 'event' and m.ty == name)
        or (scope == 'request' and req == name)
      if scope == 'flow' then covered = call('HGET', reqkey(req), 'flow_name') == name end
      if scope == 'tenant' then covered = call('HGET', reqkey(req), 'tenant') == name end
      if covered then
        told[#told + 1] = cjson.encode({ request_id = req, effect_id = id, tool = m.tool or '', kind = m.kind or 'apply',
          agent = m.ag or '', worker = string.match(m.own, '^(%S+)') or '', attempt = m.n, since_ms = m.ia,
          deadline_ms = m.dl })
      end
    end
  end
  return '[' .. table.concat(told, ',') .. ']', #told
end
