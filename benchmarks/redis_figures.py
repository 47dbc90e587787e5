"""What a Redis has done so far, and what it holds."""

import socket

import usage


class Redis:
    """A Redis server on the loopback address, that is asked over one connection."""

    def __init__(self, port: int, pid: int) -> None:
        self.pid = pid
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._file = self._socket.makefile("rb")
        self._asked = self._answered = 0  # bytes of this connection, which are nobody's load

    def totals(self) -> dict[str, float]:
        """Return what has been so far: differences of two are what was meanwhile.

        Returns:
            `redis`: CPU seconds. `in`, `out`: bytes from and to all others. `held`: its memory.
            `commands`: how many it was given, by scripts too.
        """
        seconds = usage.cpu(self.pid).seconds
        answered = self._answered
        figures = self.info()
        return {
            "redis": seconds,
            "in": int(figures["total_net_input_bytes"]) - self._asked,
            "out": int(figures["total_net_output_bytes"]) - answered,
            "held": int(figures["used_memory"]),
            "commands": int(figures["total_commands_processed"]),
        }

    def info(self) -> dict[str, str]:
        """Return all that INFO tells, by name."""
        self.send("INFO", "everything")
        pairs = (line.partition(":") for line in self.receive().decode().splitlines())
        return {name: value for name, _, value in pairs}

    def keys(self) -> int:
        """Return how many keys there are."""
        self.send("DBSIZE")
        return int(self.receive())

    def send(self, *words: str | int) -> None:
        """Send a command (https://redis.io/docs/latest/develop/reference/protocol-spec/)."""
        encoded = [str(word).encode() for word in words]
        parts = [b"$%d\r\n%b\r\n" % (len(word), word) for word in encoded]
        command = b"*%d\r\n%b" % (len(parts), b"".join(parts))
        self._asked += len(command)
        self._socket.sendall(command)

    def receive(self) -> bytes:
        """Return the answer to the first command that has none yet: a string, or a number's digits.

        Raises:
            ValueError: it is something else.
        """
        head = self._file.readline()
        if not head.startswith((b"$", b":")):
            raise ValueError(f"Redis answered {head!r}")
        answer = head[1:-2]
        self._answered += len(head)
        if head.startswith(b"$"):
            answer = self._file.read(int(answer) + 2)[:-2]
            self._answered += len(answer) + 2
        return answer
