-- Take care of the members of a node whose lease is over, some at a time: those that can resume come
-- to the node that asks, the others have left. Returns how many there still are.
--
-- ARGV: 4 the other node, 5 how many at a time.
local dead, most = ARGV[4], ARGV[5]
local now = now_ms()
local score = tonumber(redis.call('ZSCORE', KEYS[2], dead))
if score and (in_grace(now) or now - score < lease_ms) then
    return 0  -- it is back
end
redis.call('HDEL', KEYS[1], dead)
local cursor, entries = '0', nil
repeat  -- it may find nothing at first where much has been deleted
    local scanned = redis.call('HSCAN', index_key(dead), cursor, 'COUNT', most)
    cursor, entries = scanned[1], scanned[2]
until #entries > 0 or cursor == '0'
for i = 1, math.min(#entries, most * 2), 2 do
    local place, where = entries[i], cjson.decode(entries[i + 1])
    local room_id = where[1]
    room_key, nodes_key = 'vislam:room:' .. room_id, 'vislam:nodes:' .. room_id
    local record = find(where[2])
    redis.call('HDEL', index_key(dead), place)
    if record and record[PLACE] == place and record[NODE] == dead then
        if record[TOKEN] == '' then
            remove(room_id, record, 'left')
        else
            local written = move(room_id, record, me)
            tell_room(me, '"moved"', text(room_id), written)
            tell(me, '"adopted"', text(room_id), written, snapshot())
        end
    end
end
local left = redis.call('HLEN', index_key(dead))
if left == 0 then
    redis.call('ZREM', KEYS[2], dead)
    redis.call('HDEL', RETURNING, dead)
    tell(dead, '"reaped"')
end
return left
