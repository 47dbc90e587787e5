"""What a Redis has done so far, and what it holds."""

import socket

import usage

ASK = b"INFO everything\r\n"  # an inline command, as the protocol of Redis has them


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
            `redis`: CPU seconds. `in`, `out`: bytes that it was sent and sent, by all others.
            `held`: bytes of memory. `commands`: how many it was
            given; those of scripts count, too.
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
        self._asked += len(ASK)
        self._socket.sendall(ASK)
        head = self._file.readline()  # a bulk string: $SIZE, and that many bytes
        body = self._file.read(int(head[1:]) + 2)
        self._answered += len(head) + len(body)
        pairs = (line.partition(":") for line in body.decode().splitlines())
        return {name: value for name, _, value in pairs}
