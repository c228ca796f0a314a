-- Tenants: how many of their requests are open (P:tenants), and how fast they hand in (P:rate:<tenant>).

-- A request of the tenant has ended.
local function tenant_left(tenant)
  if call('HINCRBY', P .. ':tenants', tenant, -1) <= 0 then call('HDEL', P .. ':tenants', tenant) end
end

-- Which limit of the tenant closes the door, or nil; then the token is taken. A bucket is one number: the moment
-- at which it will be full again, in ms. So much before that moment as a whole bucket takes, it is empty.
local function tenant_refused(H)
  local T = H.tenant_limits
  if T.open then
    local open = tonumber(call('HGET', P .. ':tenants', H.tenant)) or 0
    if open >= T.open then return { 'tenant_open', open } end
  end
  if T.rate then
    local key = P .. ':rate:' .. T.key
    local each = 1000 / T.rate
    local whole = each * T.burst
    local full = math.max(tonumber(call('GET', key)) or 0, now)
    -- A clock that was set back must not close the door for as long as it went back.
    full = math.min(full, now + whole)
    local wait = full + each - whole - now
    if wait > 0.001 then return { 'tenant_rate', math.ceil(wait) } end
    call('SET', key, string.format('%.3f', full + each), 'PX', math.ceil(full + each - now))
  end
  return nil
end
