-- What the scripts have in common. It stands before each of them.
--
-- KEYS: 1 epochs, 2 leases, 3 beats, and for scripts about a room: 4 its members, 5 its nodes.
-- ARGV: 1 the node that asks, 2 its epoch.
--
-- A member's record is a JSON array: order, node, place, client_id, client_type, joined_at_ms,
-- resume_token ("": none). What happened goes to the channels of the nodes that it concerns, as a
-- JSON array with one event, in the very step in which it happens: so all nodes hear of it in the
-- same order, and of what is theirs before the answer to whatever comes of it.

local NODE, PLACE, CLIENT_ID, CLIENT_TYPE, TOKEN = 2, 3, 4, 5, 7
local ORDER_FIELD = '#'  -- among the nodes of a room: how many ever joined
local RETURNING = 'vislam:returning'  -- the nodes that are putting their members back

local me, epoch = ARGV[1], ARGV[2]
local room_key, nodes_key = KEYS[4], KEYS[5]

local function now_ms()
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function whole(number)
    return string.format('%.0f', number)
end

local function index_key(node)
    return 'vislam:node:' .. node
end

-- The first half of a place's tokens is always the same: with it the place is found, even by a token
-- that Redis has not heard of yet. Whether it is the right one is for the place's node to say.
local function token_key(token)
    return 'vislam:resume:' .. string.sub(token, 1, 16)
end

-- Let a member resume by another token.
local function change_token(record, token)
    local before = record[TOKEN]
    if before ~= '' and (token == '' or token_key(before) ~= token_key(token)) then
        redis.call('DEL', token_key(before))
    end
    record[TOKEN] = token
end

local function tell(node, ...)
    redis.call('PUBLISH', 'vislam:to:' .. node, '[[' .. table.concat({...}, ',') .. ']]')
end

local function is_listening(node)
    return redis.call('PUBSUB', 'NUMSUB', 'vislam:to:' .. node)[2] > 0
end

-- Tell all nodes that have a member in the room, but one.
local function tell_room(except, ...)
    for _, node in ipairs(redis.call('HKEYS', nodes_key)) do
        if node ~= ORDER_FIELD and node ~= except then
            tell(node, ...)
        end
    end
end

local function text(value)
    return cjson.encode(value)
end

-- All records of the room, as a JSON array of them.
local function snapshot()
    return '[' .. table.concat(redis.call('HVALS', room_key), ',') .. ']'
end

-- Return the record of a client, decoded and as it stands there; nil if there is none.
local function find(client_id)
    local found = redis.call('HGET', room_key, client_id)
    if found then
        return cjson.decode(found), found
    end
end

-- Count a member of a node. Return how many of it were in the room before.
local function count(node, change)
    local after = redis.call('HINCRBY', nodes_key, node, change)
    if after <= 0 then
        redis.call('HDEL', nodes_key, node)
    end
    return after - change
end

-- Write down where a member is. Return the record as it stands there.
local function put(room_id, record)
    local written = cjson.encode(record)
    local client_id, token = record[CLIENT_ID], record[TOKEN]
    redis.call('HSET', room_key, client_id, written)
    redis.call('HSET', index_key(record[NODE]), record[PLACE], cjson.encode({room_id, client_id}))
    if token ~= '' then
        redis.call('SET', token_key(token), cjson.encode({room_id, client_id}))
    end
    return written
end

-- Put somebody into the room. Return the record as it stands there, and how many members its node
-- had there before.
local function add(room_id, node, place, client_id, client_type, joined_at_ms, token)
    local order = redis.call('HINCRBY', nodes_key, ORDER_FIELD, 1)
    local record = {order, node, place, client_id, client_type, tonumber(joined_at_ms), token}
    return put(room_id, record), count(node, 1)
end

-- Take a member out of the room, and tell all its nodes but one. `how`: left, or replaced.
local function remove(room_id, record, how, except)
    tell_room(except, '"left"', text(room_id), text(record[CLIENT_ID]), text(record[PLACE]), text(how))
    redis.call('HDEL', room_key, record[CLIENT_ID])
    redis.call('HDEL', index_key(record[NODE]), record[PLACE])
    if record[TOKEN] ~= '' then
        redis.call('DEL', token_key(record[TOKEN]))
    end
    count(record[NODE], -1)
    if redis.call('HLEN', room_key) == 0 then
        redis.call('DEL', nodes_key)
    end
end

-- Let another node have a member. Return the record as it stands there.
local function move(room_id, record, node)
    redis.call('HDEL', index_key(record[NODE]), record[PLACE])
    count(record[NODE], -1)
    record[NODE] = node
    count(node, 1)
    return put(room_id, record)
end
