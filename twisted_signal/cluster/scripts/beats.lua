-- For scripts about leases. ARGV[3]: how long a lease lasts, in milliseconds.
--
-- Where no node at all was heard for long, it was Redis that was away, and not all the nodes: then
-- every lease is good for its whole time anew.
local lease_ms = tonumber(ARGV[3])

local function in_grace(now)
    return now < (tonumber(redis.call('HGET', KEYS[3], 'grace_until')) or 0)
end

local function beat(now)
    local last = tonumber(redis.call('HGET', KEYS[3], 'last')) or 0
    if now - last > lease_ms * 2 / 3 then
        redis.call('HSET', KEYS[3], 'grace_until', whole(now + lease_ms))
    end
    redis.call('HSET', KEYS[3], 'last', whole(now))
    redis.call('ZADD', KEYS[2], whole(now), me)
end
