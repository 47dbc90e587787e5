-- A member has another type, or resumes by another token.
-- ARGV: 3 room_id, 4 client_id, 5 place, 6 client_type, 7 resume_token.
local record = find(ARGV[4])
if not record or record[PLACE] ~= ARGV[5] or record[NODE] ~= me then
    return 'gone'
end
local has_other_type = record[CLIENT_TYPE] ~= ARGV[6]
if record[TOKEN] ~= '' and record[TOKEN] ~= ARGV[7] then
    redis.call('DEL', token_key(record[TOKEN]))
end
record[CLIENT_TYPE], record[TOKEN] = ARGV[6], ARGV[7]
local written = put(ARGV[3], record)
if has_other_type then
    tell_room(me, '"changed"', text(ARGV[3]), written)
end
return 'ok'
