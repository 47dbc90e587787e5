-- A member has left its room. ARGV: 3 room_id, 4 client_id, 5 place, 6 who need not be told.
local record = find(ARGV[4])
if record and record[PLACE] == ARGV[5] and record[NODE] == me then
    remove(ARGV[3], record, 'left', ARGV[6])
end
return 'ok'
