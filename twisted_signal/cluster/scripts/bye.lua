-- A node stops. What it has left behind is taken care of as if its lease were over.
redis.call('HDEL', KEYS[1], me)
redis.call('HDEL', RETURNING, me)
if redis.call('EXISTS', index_key(me)) == 1 then
    redis.call('ZADD', KEYS[2], 0, me)
else
    redis.call('ZREM', KEYS[2], me)
end
return 'ok'
