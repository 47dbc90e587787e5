-- Returns what is written down of a node's members: place, [room_id, client_id], and so on.
return redis.call('HGETALL', index_key(me))
