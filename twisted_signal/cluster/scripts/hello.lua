-- A node is there, for the first time or again. Returns its epoch.
local time = redis.call('TIME')
local fresh = time[1] * 1000000 + time[2]
local last = tonumber(redis.call('HGET', KEYS[1], me)) or 0
local given = whole(math.max(fresh, last + 1))
redis.call('HSET', KEYS[1], me, given)
redis.call('HSET', RETURNING, me, given)
beat(now_ms())
return given
