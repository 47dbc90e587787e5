-- A node that was away puts its members of a room back, and is told who is there.
--
-- ARGV: 3 room_id, then for each of them client_id, place, client_type, joined_at_ms, resume_token,
-- and 1 where its client has no connection.
local room_id = ARGV[3]
local lost = {}
for i = 4, #ARGV, 6 do
    local client_id, place, client_type, token = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 4]
    local record, found = find(client_id)
    if not record then
        local written = add(room_id, me, place, client_id, client_type, ARGV[i + 3], token)
        tell_room(me, '"joined"', text(room_id), written)
    elseif record[PLACE] ~= place then
        lost[#lost + 1] = place
    elseif record[NODE] == me then
        local has_other_type = record[CLIENT_TYPE] ~= client_type
        record[CLIENT_TYPE] = client_type
        change_token(record, token)
        local written = put(room_id, record)
        if has_other_type then
            tell_room(me, '"changed"', text(room_id), written)
        end
    elseif token == '' or record[TOKEN] ~= token then
        lost[#lost + 1] = place
    elseif ARGV[i + 5] == '1' then
        tell(me, '"moved"', text(room_id), found)  -- either node may have it
    else
        -- It was taken over meanwhile, and its client had never gone.
        local other = record[NODE]
        record[CLIENT_TYPE] = client_type
        local written = move(room_id, record, me)
        tell_room(me, '"moved"', text(room_id), written)
        if redis.call('HEXISTS', nodes_key, other) == 0 then
            tell(other, '"moved"', text(room_id), written)  -- it has nobody else there
        end
    end
end
local records = redis.call('HVALS', room_key)
for _, written in ipairs(records) do
    -- Whoever is in a room has a node with a lease, which ends if nobody is there.
    local node = cjson.decode(written)[NODE]
    if not redis.call('ZSCORE', KEYS[2], node) then
        redis.call('ZADD', KEYS[2], whole(now_ms()), node)
    end
end
local names = #lost > 0 and cjson.encode(lost) or '[]'
tell(me, '"restored"', text(room_id), '[' .. table.concat(records, ',') .. ']', names)
return 'ok'
