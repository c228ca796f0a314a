-- Schedules: in partition 0 the definitions, and for each the one due time that is next.
local function schedule_key(name) return P .. ':schedule:' .. name end

-- The due time moves on; ``following`` is empty where there is none.
local function schedule_moves(name, following)
  call('HSET', schedule_key(name), 'due', following)
  call('HDEL', schedule_key(name), 'told')
  if following == '' then call('ZREM', P .. ':due', name)
  else call('ZADD', P .. ':due', following, name) end
end

-- Whether a firing may go on: its due time is still the next one, and no rule holds the schedule.
local function firing_refused(F)
  if F.was then
    local due = call('HGET', schedule_key(F.name), 'due')
    if due ~= F.was then return { 'moved', due or '' } end
  end
  local rule = call('HGET', P .. ':rules', 'schedule:' .. F.name)
  if rule then return { 'halted', rule } end
  return nil
end

-- The firing is admitted, now or before: the due time moves on in the same step.
local function fired(F, req)
  if not F.was then return end
  schedule_moves(F.name, F.following)
  call('HSET', schedule_key(F.name), 'last', F.was, 'last_req', req, 'last_at', now)
end
