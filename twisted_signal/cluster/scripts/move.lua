-- A node hands a place over to another one.
-- ARGV: 3 room_id, 4 client_id, 5 place, 6 the other node, 7 what it has to know of the place,
-- 8 resume_token.
--
-- Returns ok, gone where there is no such place, elsewhere where another node has taken it over, or
-- away where the other node is not there.
local room_id, to = ARGV[3], ARGV[6]
local record = find(ARGV[4])
if not record or record[PLACE] ~= ARGV[5] then
    return 'gone'
elseif record[NODE] ~= me then
    return 'elsewhere'
end
if redis.call('HEXISTS', KEYS[1], to) == 0 or not is_listening(to) then
    return 'away'
end
change_token(record, ARGV[8])
local written = move(room_id, record, to)
for _, node in ipairs(redis.call('HKEYS', nodes_key)) do
    if node ~= ORDER_FIELD and node ~= me and node ~= to then
        tell(node, '"moved"', text(room_id), written)
    end
end
tell(to, '"handed"', text(room_id), written, ARGV[7], snapshot())
return 'ok'
