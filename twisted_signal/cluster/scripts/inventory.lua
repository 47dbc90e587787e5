-- A node is told which members are written down as its own. It hears of it on its channel, after all
-- that it was handed before.
local entries, members = redis.call('HGETALL', index_key(me)), {}
for i = 1, #entries, 2 do
    members[#members + 1] = text(entries[i]) .. ':' .. entries[i + 1]
end
tell(me, '"inventory"', '{' .. table.concat(members, ',') .. '}')
return 'ok'
