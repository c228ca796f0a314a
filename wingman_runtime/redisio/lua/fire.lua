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
call('ZREMRANGEBYSCORE', P .. ':ended', '-inf', now)
call('XTRIM', P .. ':outcomes', 'MINID', now - tonumber(ARGV[2]))
return { #due,
  call('ZRANGEBYSCORE', P .. ':approvals', '-inf', now, 'LIMIT', 0, count),
  call('ZRANGEBYSCORE', P .. ':open', '-inf', now, 'LIMIT', 0, count),
  call('ZRANGEBYSCORE', P .. ':due', '-inf', now, 'LIMIT', 0, count) }
