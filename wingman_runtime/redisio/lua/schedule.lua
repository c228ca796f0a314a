-- schedule: put definitions in force, look at one, pass over due times. ARGV[1] verb, [2] name, then
-- put: definition, digest, timing digest, due or '', salt, log body. Returns 1 if anything changed.
-- drop: ms its memory is kept, log body. Returns 1 if it was there.
-- look: returns {now, definition, due, salt, last due}.
-- skip: due, following, log body. Returns 1, or 0 when the due time is another one by now.
-- wait: due, ms until the next look, log body. Returns 1 if this is told for the first time.
local verb, name = ARGV[1], ARGV[2]
local key = schedule_key(name)
if verb == 'look' then
  local v = call('HMGET', key, 'due', 'salt', 'last')
  return { now, call('HGET', P .. ':schedules', name) or '', v[1] or '', v[2] or '', v[3] or '' }
end
if verb == 'put' then
  local known = call('HMGET', key, 'digest', 'timing')
  local there = call('HEXISTS', P .. ':schedules', name) == 1
  if there and known[1] == ARGV[4] then return 0 end
  call('PERSIST', key)
  call('HSETNX', key, 'salt', ARGV[7])
  call('HSET', P .. ':schedules', name, ARGV[3])
  call('HSET', key, 'digest', ARGV[4], 'timing', ARGV[5])
  -- Other words or parameters do not move the due time; another timing begins from now.
  if not there or known[2] ~= ARGV[5] then schedule_moves(name, ARGV[6]) end
  append('admin', '', ARGV[8])
  return 1
end
if verb == 'drop' then
  if call('HDEL', P .. ':schedules', name) == 0 then return 0 end
  schedule_moves(name, '')
  call('PEXPIRE', key, ARGV[3])
  append('admin', '', ARGV[4])
  return 1
end
if call('HGET', key, 'due') ~= ARGV[3] then return 0 end
if verb == 'skip' then
  schedule_moves(name, ARGV[4])
  append('admin', '', ARGV[5])
  return 1
end
call('ZADD', P .. ':due', 'XX', now + tonumber(ARGV[4]), name)
if call('HGET', key, 'told') == ARGV[3] then return 0 end
call('HSET', key, 'told', ARGV[3])
append('admin', '', ARGV[5])
return 1
