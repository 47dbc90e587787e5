-- A node is still there. ARGV: 4 whether all its members are back where they were: 1, or 0.
--
-- Returns the nodes that are there, those whose lease is over, and those whose members are not back.
local now = now_ms()
beat(now)
local oldest = in_grace(now) and '-inf' or '(' .. whole(now - lease_ms)
local over = {}
if oldest ~= '-inf' then
    over = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', whole(now - lease_ms))
end
if ARGV[4] == '1' then
    redis.call('HDEL', RETURNING, me)
end
return {redis.call('ZRANGEBYSCORE', KEYS[2], oldest, '+inf'), over, redis.call('HKEYS', RETURNING)}
