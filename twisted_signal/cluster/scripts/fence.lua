-- It stands before each script but hello: what a node said before it was away does no harm when it
-- is heard after that.
if redis.call('HGET', KEYS[1], me) ~= epoch then
    return 'stale'
end
