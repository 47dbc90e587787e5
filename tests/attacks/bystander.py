"""Calls that go on while a server is attacked, in a process of their own.

`python bystander.py PID URL ROOM [CA]`: PID is the server's, the rooms' names begin with ROOM.

In each of two rooms a caller sends offers and candidates at a steady rate, whether or not the
answers come, and the callee answers each. A server that stands still for a while is so seen in all
that is sent meanwhile. The rate is one that any client may keep up for ever.

While others have the processor for which the server or this process waits, nobody can say how fast
the server is: such time does not count, as far as the kernel tells it (`/proc/PID/schedstat`).

Prints `ready` when the calls go on, and on SIGTERM one line of JSON, see `arena.Report`.
"""

import asyncio
import json
import signal
import ssl
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

PAIRS = 2
INTERVAL = 1 / 40
"""Seconds from one message of a caller to the next."""
OFFER_EVERY = 10
"""Messages of which one has an SDP, and the others candidates."""
SDP = "v=0\r\n" + "a=candidate:1 1 udp 2130706431 192.0.2.7 50000 typ host\r\n" * 40
CANDIDATE = "candidate:1 1 udp 2130706431 192.0.2.7 50000 typ host generation 0 ufrag 4a7b"
LAST_WAIT = 5.0
"""Seconds in which what was sent last must be answered."""


def waited_for_processor(processes: list[str]) -> float:
    """Return how long processes could have run and did not, in seconds, since they began."""
    waited = 0
    for process in processes:
        with suppress(OSError):  # the server is gone, or the kernel does not count it
            waited += int(Path(f"/proc/{process}/schedstat").read_text().split()[1])
    return waited / 1e9


class Call:
    """One call.

    Attributes:
        sent: how many round trips were begun.
        times: of all that have ended, in seconds.
        gross: the same with the time for which the processor was others'.
    """

    def __init__(self, room: str, server: str) -> None:
        self.room = room
        self._processes = [server, "self"]
        self.gross: list[float] = []
        self.sent = 0
        self.times: list[float] = []
        self._began: list[tuple[float, float]] = []

    async def begin(self, url: str, tls: ssl.SSLContext | None) -> None:
        self._caller = await self._join(url, tls, "caller")
        self._callee = await self._join(url, tls, "callee")
        await self._caller.recv()  # peer_joined

    async def _join(self, url: str, tls: ssl.SSLContext | None, name: str) -> ClientConnection:
        client = await connect(url, ssl=tls, ping_interval=None, compression=None)
        await client.send(json.dumps({"type": "register", "client_id": name, "room_id": self.room}))
        registered = json.loads(await client.recv())
        assert registered["type"] == "registered", registered
        return client

    async def call(self) -> None:
        while True:
            kind, value = _message("offer", self.sent)
            self._began.append((time.monotonic(), waited_for_processor(self._processes)))
            self.sent += 1
            await self._caller.send(json.dumps({"target_id": "callee", "type": kind, **value}))
            await asyncio.sleep(INTERVAL)

    async def answer(self) -> None:
        expected = 0
        async for text in self._callee:
            message = json.loads(text)
            kind, value = _message("offer", expected)
            assert message == {"type": kind, "sender_id": "caller", **value}, message
            kind, value = _message("answer", expected)
            await self._callee.send(json.dumps({"target_id": "caller", "type": kind, **value}))
            expected += 1
        raise AssertionError(f"the callee's connection ended: {self._callee.close_code}")

    async def hear(self) -> None:
        async for text in self._caller:
            now = time.monotonic()
            message = json.loads(text)
            kind, value = _message("answer", len(self.times))
            assert message == {"type": kind, "sender_id": "callee", **value}, message
            began, waited_then = self._began[len(self.times)]
            waited = waited_for_processor(self._processes) - waited_then
            self.gross.append(now - began)
            self.times.append(max(0.0, now - began - waited))
        raise AssertionError(f"the caller's connection ended: {self._caller.close_code}")


def _message(kind: str, number: int) -> tuple[str, dict[str, Any]]:
    if number % OFFER_EVERY == 0:
        return kind, {"sdp": {"type": kind, "sdp": SDP, "number": number}}
    return "ice_candidate", {"candidate": {"candidate": CANDIDATE, "sdpMid": str(number)}}


async def main(server: str, url: str, room: str, tls: ssl.SSLContext | None) -> None:
    calls = [Call(f"{room} {number}", server) for number in range(PAIRS)]
    for call in calls:
        await call.begin(url, tls)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    listeners = [asyncio.create_task(each()) for call in calls for each in (call.answer, call.hear)]
    callers = [asyncio.create_task(call.call()) for call in calls]
    stopping = asyncio.create_task(stopped.wait())
    while not all(call.times for call in calls):
        await asyncio.sleep(0.005)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.wait([*callers, *listeners, stopping], return_when=asyncio.FIRST_COMPLETED)
    for task in callers:
        task.cancel()
    give_up = time.monotonic() + LAST_WAIT
    while (
        any(len(call.times) < call.sent for call in calls)
        and not any(task.done() for task in listeners)
        and time.monotonic() < give_up
    ):
        await asyncio.sleep(0.005)
    sys.stdout.write(json.dumps(_report(calls, [*callers, *listeners])) + "\n")


def _report(calls: list[Call], tasks: list[asyncio.Task[None]]) -> dict[str, Any]:
    failures = [task.exception() for task in tasks if task.done() and not task.cancelled()]
    times = sorted(each for call in calls for each in call.times)
    sent = sum(call.sent for call in calls)
    return {
        "sent": sent,
        "lost": sent - len(times),
        "failures": [repr(failure) for failure in failures],
        "p50": times[len(times) // 2],
        "p99": times[int(0.99 * (len(times) - 1))],  # not the worst, where there are few
        "worst": times[-1],
        "gross": max(each for call in calls for each in call.gross),
    }


if __name__ == "__main__":
    server, url, room, *ca = sys.argv[1:]
    secure = ssl.create_default_context(cafile=ca[0]) if ca else None
    asyncio.run(main(server, url, room, secure))
