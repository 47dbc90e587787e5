-- A member has another type, or resumes by another token.
-- ARGV: 3 room_id, 4 client_id, 5 place, 6 client_type, 7 resume_token.
local record = find(ARGV[4])
if not record or record[PLACE] ~= ARGV[5] or record[NODE] ~= me then
    return 'gone'
end
local has_other_type = record[CLIENT_TYPE] ~= ARGV[6]
record[CLIENT_TYPE] = ARGV[6]
change_token(record, ARGV[7])
local written = put(ARGV[3], record)
if has_other_type then
    tell_room(me, '"changed"', text(ARGV[3]), written)
end
return 'ok'
