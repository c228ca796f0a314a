-- control: change the control record; every change advances the epoch and is logged.
-- ARGV: verb (set | clear | policy), key or digest, rule JSON without epoch and time, log body; or read; or
-- in_flight, target.
-- Returns {epoch, whether it changed, log number, server ms, effects in flight under a rule that was set}. A pause
-- never takes the place of a halt: then nothing changes, and last comes the rule that stands.
local verb, target, value, record = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local key = P .. ':control'
if verb == 'read' then
  -- In one piece: an epoch beside the rules of the one before would look up to date for ever.
  local v = call('HMGET', key, 'epoch', 'policy')
  return { tonumber(v[1] or '0'), v[2] or '', call('HVALS', P .. ':rules') }
end
if verb == 'in_flight' then return { in_flight(target), now } end
if verb == 'clear' and call('HEXISTS', P .. ':rules', target) == 0 and rules_whole() then
  return { tonumber(call('HGET', key, 'epoch') or '0'), 0 }
end
if verb == 'policy' and call('HGET', key, 'policy') == target then
  return { tonumber(call('HGET', key, 'epoch') or '0'), 0 }
end
local rule = verb == 'set' and cjson.decode(value)
if rule and rule.mode == 'pause' then
  local there = call('HGET', P .. ':rules', target)
  if there and cjson.decode(there).mode ~= 'pause' then
    return { tonumber(call('HGET', key, 'epoch') or '0'), 0, 0, now, there }
  end
end
local epoch = call('HINCRBY', key, 'epoch', 1)
if rule then
  rule.epoch = epoch
  rule.at_ms = now
  call('HSET', P .. ':rules', target, cjson.encode(rule))
elseif verb == 'clear' then
  call('HDEL', P .. ':rules', target)
elseif verb == 'policy' then
  call('HSET', key, 'policy', target)
end
if verb ~= 'policy' then
  call('HSET', key, 'rules', call('HLEN', P .. ':rules'))
  call('HDEL', key, 'noted')
end
local flying = '[]'
if verb == 'set' then
  -- From this record on no intent is recorded for what the rule covers: these are all that may still act.
  local count
  flying, count = in_flight(target)
  record = string.sub(record, 1, -2) .. ',"in_flight_count":' .. count .. ',"in_flight":' .. flying .. '}'
end
local n = append(verb == 'policy' and 'admin' or 'control', '', record)
return { epoch, 1, n, now, flying }
