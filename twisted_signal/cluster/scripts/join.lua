-- Somebody wants to enter a room. All that is decided about it is decided here.
--
-- ARGV: 3 room_id, 4 client_id, 5 place, 6 client_type, 7 joined_at_ms, 8 resume_token, 9 how many
-- may be in the room (0: any), 10 the place that gives way, 11 and 12 the client_id and the place
-- in this room that the client gives up.
--
-- Returns ok, {taken, the record of who has the id} or {full, how many are there}.
local room_id, client_id, place, most = ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[9])
local holder, written = find(client_id)
if holder and holder[PLACE] == place then
    -- It is asked again, as the answer was lost.
    tell(me, '"entered"', text(room_id), written, snapshot())
    return 'ok'
end
if holder and holder[PLACE] ~= ARGV[10] then
    return {'taken', written}
end
local leaving = ARGV[12] ~= '' and find(ARGV[11])
if leaving and (leaving[PLACE] ~= ARGV[12] or leaving[NODE] ~= me) then
    leaving = nil
end
local others = redis.call('HLEN', room_key) - (holder and 1 or 0) - (leaving and 1 or 0)
if most > 0 and others >= most then
    return {'full', others}
end
if holder then
    remove(room_id, holder, 'replaced')
end
if leaving then
    remove(room_id, leaving, 'left', me)
end
local before
written, before = add(room_id, me, place, client_id, ARGV[6], ARGV[7], ARGV[8])
tell_room(me, '"joined"', text(room_id), written)
-- A node that has no member in the room yet has to be told who is there.
tell(me, '"entered"', text(room_id), written, before == 0 and snapshot() or 'null')
return 'ok'
