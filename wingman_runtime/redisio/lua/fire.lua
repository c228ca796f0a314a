-- fire: deliver what is due, sweep what has lived its time, name what is overdue.
-- ARGV: count, ms that outcomes are kept. Returns {fired, overdue approvals, overdue requests,
-- schedules that are due}.
local count = tonumber(ARGV[1])
local due = call('ZRANGEBYSCORE', P .. ':timers', '-inf', now, 'LIMIT', 0, count)
for _, id in ipairs(due) do
  local raw = call('HGET', P .. ':timer', id)
  call('ZREM', P .. ':timers', id)
  call('HDEL', P .. ':timer', id)
  if raw then
    local f = cjson.decode(raw)
    requeue(f.agent, f, f.n, '@timer')
  end
end
-- An intent that nobody ended goes from the index with its request; looked at once an hour.
for _, member in ipairs(call('ZRANGEBYSCORE', P .. ':inflight', '-inf', now - 3600000, 'LIMIT', 0, count)) do
  local id, req = string.match(member, '^(%S+) (%S+)$')
  if id and isreq(req) and call('HEXISTS', reqkey(req) .. ':fx', id) == 1 then
    call('ZADD', P .. ':inflight', now, member)
  else
    call('ZREM', P .. ':inflight', member)
  end
end
call('ZREMRANGEBYSCORE', P .. ':ended', '-inf', now)
call('XTRIM', P .. ':outcomes', 'MINID', now - tonumber(ARGV[2]))
return { #due,
  call('ZRANGEBYSCORE', P .. ':approvals', '-inf', now, 'LIMIT', 0, count),
  call('ZRANGEBYSCORE', P .. ':open', '-inf', now, 'LIMIT', 0, count),
  call('ZRANGEBYSCORE', P .. ':due', '-inf', now, 'LIMIT', 0, count) }
