-- discard: take a dead letter away for good. ARGV[1] header L, [2] log body. Returns {verdict, detail}.
local L = cjson.decode(ARGV[1])
if not entry_fields(P .. ':dead:' .. L.agent, L.entry) then
  local was = call('HMGET', laid_key(L.agent .. ':' .. L.entry), 'what', 'into')
  return { was[1] or 'missing', was[2] or '' }
end
lay(L, 'discarded', '', ARGV[2])
return { 'done', '' }
