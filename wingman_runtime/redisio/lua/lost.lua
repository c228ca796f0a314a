-- lost: look for steps of open requests that nobody will ever do, because somebody took their entry away.
-- What is still there is delivered again, counted; requests whose entry is gone are named.
-- ARGV: cursor, count. Returns {next cursor, restored, requests}.
if not rules_whole() and call('HSETNX', P .. ':control', 'noted', '1') == 1 then
  append('anomaly', '', '{"anomaly":"rules_changed"}')
end
local scanned = call('ZSCAN', P .. ':open', ARGV[1], 'COUNT', ARGV[2])
local restored, requests = 0, {}
for i = 1, #scanned[2], 2 do
  local req = scanned[2][i]
  local flat = call('HGETALL', reqkey(req) .. ':steps')
  local lost = false
  for j = 1, #flat, 2 do
    local step, at = flat[j], flat[j + 1]
    if string.sub(at, 1, 1) == '@' then
      local state, agent, entry = whereabouts(req, step, at)
      if state == 'gone' then lost = true end
      if state == 'dropped' then
        local f = entry_fields(inbox(agent), entry)
        append('anomaly', req, cjson.encode({ anomaly = 'dropped_entry', step = step, entry = entry }))
        call('XDEL', inbox(agent), entry)
        requeue(agent, f, (tonumber(f.n) or 0) + 1, at)
        restored = restored + 1
      end
    end
  end
  if lost then requests[#requests + 1] = req end
end
return { scanned[1], restored, requests }
