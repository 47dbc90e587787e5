-- A node is still there. Returns the nodes that are, and those whose lease is over.
local now = now_ms()
beat(now)
local oldest = in_grace(now) and '-inf' or '(' .. whole(now - lease_ms)
local over = {}
if oldest ~= '-inf' then
    over = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', whole(now - lease_ms))
end
return {redis.call('ZRANGEBYSCORE', KEYS[2], oldest, '+inf'), over}
