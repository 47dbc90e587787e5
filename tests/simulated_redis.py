"""A Redis in this process, which runs the real scripts in Lua 5.1 on plain dictionaries.

It has the commands that the scripts use, and answers as Redis does; `test_cluster_scripts` holds it
to a real one. What it publishes goes to whoever listens, at once. Its clock is the test's.
"""

import json
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from lupa import lua51

from twisted_signal.cluster.scripts import text_of

LISTED = 128
"""Fields of a hash that HSCAN returns at once whatever its COUNT (hash-max-listpack-entries)."""

_WRAPPER = """
-- As Redis has it: a script that makes a global, or looks for one, is wrong.
local names = {}
for name in pairs(_G) do names[name] = true end
setmetatable(_G, {
    __newindex = function(_, name) error('a script makes the global ' .. tostring(name)) end,
    __index = function(_, name) error('no global ' .. tostring(name)) end,
})
"""

Value = dict[bytes, bytes] | dict[bytes, float] | bytes


class RedisError(Exception):
    """Redis answers with an error."""


class SimulatedRedis:
    """Implements what `redis_server.RedisClient` has of it, without a network.

    Attributes:
        keys: all that it knows.
        now_us: its clock, in microseconds since 1970.
        listeners: who hears a channel.
    """

    def __init__(self, now_us: int = 1_795_417_440_399_364) -> None:
        self.keys: dict[bytes, Any] = {}
        self.now_us = now_us
        self.listeners: dict[bytes, list[Callable[[bytes], object]]] = {}

    def execute(self, *words: str | int | bytes) -> Any:
        """Return the answer to a command: int, bytes, a list of these, or None."""
        return self._call(*(_bytes(word) for word in words))

    def run(self, script: str, keys: Sequence[str], arguments: Sequence[str | int]) -> Any:
        """Run a script by its name, as a Link does."""
        lua = _lua()
        tables = [lua.table_from([_bytes(word) for word in words]) for words in (keys, arguments)]

        def call(name: bytes, *words: object) -> object:
            return _to_lua(self._call(name, *(_argument(word) for word in words)))

        redis = lua.table_from({b"call": call})
        return _from_lua(_compiled(text_of(script))(*tables, redis, _cjson()))

    def listen(self, channel: str, listener: Callable[[bytes], object]) -> None:
        """Let somebody hear a channel."""
        self.listeners.setdefault(channel.encode(), []).append(listener)

    def unlisten(self, channel: str, listener: Callable[[bytes], object]) -> None:
        """Let somebody hear it no more."""
        self.listeners[channel.encode()].remove(listener)

    def empty(self) -> None:
        """Lose all that it knows."""
        self.keys.clear()

    def _call(self, name: bytes, *words: bytes) -> Any:
        command = getattr(self, f"_{name.decode().lower()}", None)
        if command is None:
            raise RedisError(f"the simulated Redis has no command {name!r}")
        return command(*words)

    def _of(self, key: bytes, kind: type) -> Any:
        value = self.keys.get(key)
        if value is None:
            return kind()
        if not isinstance(value, kind):
            raise RedisError("WRONGTYPE Operation against a key holding the wrong kind of value")
        return value

    def _to_change(self, key: bytes, kind: type) -> Any:
        value = self._of(key, kind)
        return self.keys.setdefault(key, value)

    def _remove_from(self, key: bytes, kind: type, fields: Sequence[bytes]) -> int:
        value = self._of(key, kind)
        there = [field for field in fields if value.pop(field, None) is not None]
        if not value:
            self.keys.pop(key, None)
        return len(there)

    # Keys

    def _del(self, *keys: bytes) -> int:
        return sum(self.keys.pop(key, None) is not None for key in keys)

    def _exists(self, *keys: bytes) -> int:
        return sum(key in self.keys for key in keys)

    def _keys(self, pattern: bytes) -> list[bytes]:
        return [key for key in self.keys if fnmatchcase(key.decode(), pattern.decode())]

    def _flushall(self) -> bytes:
        self.empty()
        return b"OK"

    def _get(self, key: bytes) -> bytes | None:
        return self._of(key, bytes) or None

    def _set(self, key: bytes, value: bytes) -> bytes:
        self.keys[key] = value
        return b"OK"

    def _time(self) -> list[bytes]:
        return [b"%d" % (self.now_us // 1_000_000), b"%d" % (self.now_us % 1_000_000)]

    def _publish(self, channel: bytes, payload: bytes) -> int:
        listeners = self.listeners.get(channel, [])
        for listener in listeners:
            listener(payload)
        return len(listeners)

    def _pubsub(self, _: bytes, channel: bytes) -> list[Any]:
        return [channel, len(self.listeners.get(channel, []))]

    # Hashes

    def _hset(self, key: bytes, *pairs: bytes) -> int:
        fields = self._to_change(key, dict)
        before = len(fields)
        fields.update(zip(pairs[::2], pairs[1::2], strict=True))
        return len(fields) - before

    def _hget(self, key: bytes, field: bytes) -> bytes | None:
        found: bytes | None = self._of(key, dict).get(field)
        return found

    def _hdel(self, key: bytes, *fields: bytes) -> int:
        return self._remove_from(key, dict, fields)

    def _hexists(self, key: bytes, field: bytes) -> int:
        return int(field in self._of(key, dict))

    def _hlen(self, key: bytes) -> int:
        return len(self._of(key, dict))

    def _hkeys(self, key: bytes) -> list[bytes]:
        return list(self._of(key, dict))

    def _hvals(self, key: bytes) -> list[bytes]:
        return list(self._of(key, dict).values())

    def _hgetall(self, key: bytes) -> list[bytes]:
        return [word for pair in self._of(key, dict).items() for word in pair]

    def _hincrby(self, key: bytes, field: bytes, change: bytes) -> int:
        fields = self._to_change(key, dict)
        after = int(fields.get(field, b"0")) + int(change)
        fields[field] = b"%d" % after
        return after

    def _hscan(self, key: bytes, cursor: bytes, _: bytes, count: bytes) -> list[Any]:
        pairs = list(self._of(key, dict).items())
        if len(pairs) <= LISTED:
            return [b"0", [word for pair in pairs for word in pair]]
        if cursor == b"0":
            return [b"1", []]  # as from a table of which much has been deleted
        first, following = int(cursor) - 1, int(cursor) - 1 + int(count)
        found = [word for pair in pairs[first:following] for word in pair]
        return [b"%d" % (following + 1 if following < len(pairs) else 0), found]

    # Sorted sets

    def _zadd(self, key: bytes, score: bytes, member: bytes) -> int:
        scores = self._to_change(key, dict)
        is_new = member not in scores
        scores[member] = float(score)
        return int(is_new)

    def _zrem(self, key: bytes, *members: bytes) -> int:
        return self._remove_from(key, dict, members)

    def _zscore(self, key: bytes, member: bytes) -> bytes | None:
        score = self._of(key, dict).get(member)
        return None if score is None else b"%.17g" % score

    def _zrange(self, key: bytes, _: bytes, __: bytes) -> list[bytes]:
        return self._zrangebyscore(key, b"-inf", b"+inf")

    def _zrangebyscore(self, key: bytes, lowest: bytes, highest: bytes) -> list[bytes]:
        scores = self._of(key, dict)
        least, most = float(lowest.lstrip(b"(")), float(highest.lstrip(b"("))
        return [
            member
            for score, member in sorted((score, member) for member, score in scores.items())
            if (least < score if lowest.startswith(b"(") else least <= score)
            and (score < most if highest.startswith(b"(") else score <= most)
        ]


def _bytes(word: object) -> bytes:
    return word if isinstance(word, bytes) else str(word).encode()


def _argument(word: object) -> bytes:
    """Return an argument of `redis.call` as Redis takes it: Lua's numbers are doubles."""
    return b"%.17g" % word if isinstance(word, float) else _bytes(word)


@cache
def _lua() -> Any:
    runtime = lua51.LuaRuntime(encoding=None, register_eval=False, register_builtins=False)
    runtime.execute(b"python = nil")
    runtime.execute(_WRAPPER.encode())
    return runtime


@cache
def _compiled(text: str) -> Any:
    script = f"return function(KEYS, ARGV, redis, cjson)\n{text}\nend"
    return _lua().execute(script.encode())


@cache
def _cjson() -> Any:
    return _lua().table_from({b"encode": _encode, b"decode": _decode})


def _encode(value: object) -> bytes:
    """As lua-cjson in Redis: 14 digits, `/` escaped, other characters as they are."""
    if isinstance(value, bytes):
        text = json.dumps(value.decode(), ensure_ascii=False)
        return text.replace("/", "\\/").replace("\x7f", "\\u007f").encode()
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, int | float):
        return b"%.14g" % value
    assert lua51.lua_type(value) == "table", value
    items = list(value.values())  # type: ignore[attr-defined] # it is a table
    return b"[" + b",".join(_encode(item) for item in items) + b"]" if items else b"{}"


def _decode(text: bytes) -> object:
    return _to_lua(_encoded(json.loads(text)))


def _encoded(value: object) -> object:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, list):
        return [_encoded(item) for item in value]
    return value


def _to_lua(reply: Any) -> object:
    """As Redis converts: what is not there is false in Lua."""
    if reply is None:
        return False
    if isinstance(reply, list):
        return _lua().table_from([_to_lua(item) for item in reply])
    return reply


def _from_lua(value: Any) -> Any:
    """As Redis converts: false is nothing, numbers are cut, arrays end with the first nil."""
    if value is None or value is False:
        return None
    if value is True:
        return 1
    if isinstance(value, int | float):
        return int(value)
    if lua51.lua_type(value) == "table":
        return [_from_lua(value[number]) for number in range(1, len(value) + 1)]
    return value
