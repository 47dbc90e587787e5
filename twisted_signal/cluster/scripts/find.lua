-- Find the place that a token is for. ARGV: 3 the token.
--
-- Returns {room_id, record, 1 where its node has a lease}; nothing where there is none.
local where = redis.call('GET', token_key(ARGV[3]))
if not where then
    return false
end
where = cjson.decode(where)
room_key = 'vislam:room:' .. where[1]
local record, written = find(where[2])
if not record then
    return false
end
return {where[1], written, redis.call('HEXISTS', KEYS[1], record[NODE])}
