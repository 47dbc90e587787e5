"""What clients do in their lives: each scenario has a room of its own, and leaves nobody there."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from random import Random

from soak.clients import Client, Message, Unexpected

SDP = "v=0\r\n" + "a=candidate-of-some-length\r\n" * 60
OPTIONS = {
    "--resume-window": 3,
    "--probe-timeout": 1,
    "--ping-interval": 4,
    "--ping-timeout": 4,
}
"""Options of the server that bring what takes long into a short run: seconds."""
UNTIL_GONE = 20.0
"""Seconds after which the server has missed whoever is gone: more than these in sum."""


class Life:
    """One scenario.

    Attributes:
        counts: what was done: `calls`, `drops`, `resumes`.
    """

    def __init__(self, url: str, room: str, rng: Random, counts: Counter[str]) -> None:
        """`room`: one that no other scenario has."""
        self.url = url
        self.room = room
        self.rng = rng
        self.counts = counts

    async def pc(self, client_id: str = "pc", **fields: object) -> Client:
        """Return a client of the documented protocol that is in the room."""
        client = await Client.connect(self.url)
        await client.register(client_id, self.room, client_type="pc", **fields)
        return client

    async def app(self, client_id: str = "phone") -> Client:
        """Return a client of the app's dialect that is in the room."""
        return await Client.connect(
            self.url, f"/signaling?room={self.room}&client_id={client_id}&client_type=android"
        )

    async def call(self, caller: Client, target_id: str, callee: Client, sender_id: str) -> None:
        """Let one client call another: offer, answer and candidates both ways."""
        caller.say(type="offer", target_id=target_id, sdp={"type": "offer", "sdp": SDP})
        await callee.hear(type="offer", sender_id=sender_id)
        callee.say(type="answer", target_id=sender_id, sdp={"type": "answer", "sdp": SDP})
        await caller.hear(type="answer", sender_id=target_id)
        number = self.rng.randrange(1, 20)
        self.trickle(caller, target_id, range(number))
        self.trickle(callee, sender_id, range(number))
        await self.hear_candidates(callee, range(number))
        await self.hear_candidates(caller, range(number))
        self.counts["calls"] += 1

    def trickle(self, client: Client, target_id: str, numbers: range) -> None:
        """Send numbered candidates."""
        for number in numbers:
            client.say(type="ice_candidate", target_id=target_id, candidate={"candidate": number})

    async def hear_candidates(self, client: Client, numbers: range) -> None:
        """Hear numbered candidates: all, in order, once."""
        for number in numbers:
            message = await client.hear(type="ice_candidate")
            if message["candidate"] != {"candidate": number}:
                raise Unexpected(f"instead of candidate {number} came {message}")

    async def end(self, *clients: Client) -> None:
        """Let clients go, properly or not."""
        for client in clients:
            if self.rng.random() < 0.6:
                await client.close()
            else:
                self.counts["drops"] += 1
                client.abort()


async def ordinary_call(life: Life) -> None:
    """Two clients of the documented protocol; the phone leaves and comes again."""
    pc, phone = await life.pc(), await life.pc("phone")
    await pc.hear(type="peer_joined", client_id="phone")
    await life.call(phone, "pc", pc, "phone")
    phone.say(type="leave")
    await pc.hear(type="peer_left", client_id="phone")
    await phone.register("phone", life.room)
    await pc.hear(type="peer_joined", client_id="phone")
    await life.call(phone, "pc", pc, "phone")
    await life.end(phone, pc)


async def app_call(life: Life) -> None:
    """A phone with the app and a PC; who comes first is left to chance."""
    offer_first = life.rng.random() < 0.5
    phone = await life.app()
    if offer_first:
        phone.say(type="offer", sdp=SDP)
        phone.say(type="ice_candidate", candidate="c", sdpMid="0", sdpMLineIndex=0)
    pc = await life.pc()
    if not offer_first:
        phone.say(type="offer", sdp=SDP)
        phone.say(type="ice_candidate", candidate="c", sdpMid="0", sdpMLineIndex=0)
    await pc.hear(type="offer", sender_id="phone")
    await pc.hear(type="ice_candidate", sender_id="phone")
    pc.say(type="answer", target_id="phone", sdp={"type": "answer", "sdp": SDP})
    pc.say(type="ice_candidate", target_id="phone", candidate={"candidate": "c", "sdpMid": "0"})
    await phone.hear(type="answer", sdp=SDP)
    await phone.hear(type="ice_candidate", candidate="c", sdpMid="0", sdpMLineIndex=0)
    life.counts["calls"] += 1
    pc.say(type="message", target_id="phone", data=1)
    await pc.hear(type="error", code="invalid_message", target_id="phone")
    await life.end(phone, pc)


async def resumed_call(life: Life) -> None:
    """A connection breaks in the middle of the candidates, several times; none is lost or twice."""
    pc = await life.pc()
    phone = await Client.connect(life.url)
    answer = await phone.register("phone", life.room, resume=True)
    await pc.hear(type="peer_joined")
    await life.call(pc, "phone", phone, "pc")
    for _ in range(life.rng.randrange(1, 4)):
        total = life.rng.randrange(2, 40)
        sent, heard = sorted(life.rng.randrange(total + 1) for _ in range(2))[::-1]
        life.trickle(pc, "phone", range(sent))
        await life.hear_candidates(phone, range(heard))
        received = phone.received
        phone.abort()
        life.counts["drops"] += 1
        life.trickle(pc, "phone", range(sent, total))
        if life.rng.random() < 0.5:
            await asyncio.sleep(life.rng.random())
        phone = await Client.connect(life.url)
        answer = await resumed(phone, answer, received)
        life.counts["resumes"] += 1
        await life.hear_candidates(phone, range(heard, total))
    await life.call(pc, "phone", phone, "pc")
    await life.end(phone, pc)


async def resumed(client: Client, before: Message, received: int) -> Message:
    """Take up a place on a new connection; return the answer, with the next token."""
    client.say(type="resume", resume_token=before["resume_token"], received=received)
    return await client.hear(type="resumed")


async def late_resume(life: Life) -> None:
    """A phone comes back too late and registers afresh; its old token works no more."""
    pc = await life.pc()
    phone = await Client.connect(life.url)
    answer = await phone.register("phone", life.room, resume=True)
    await pc.hear(type="peer_joined")
    phone.abort()
    life.counts["drops"] += 1
    await asyncio.sleep(0.5)
    life.trickle(pc, "phone", range(300))  # more than may wait
    pc.say(type="ping")
    refused = 0
    while (message := await pc.hear())["type"] != "pong":
        if message.get("code") != "peer_unreachable":
            raise Unexpected(f"instead of peer_unreachable came {message}")
        refused += 1
    if not 0 < refused <= 300 - 256:
        raise Unexpected(f"{refused} of 300 candidates were refused")
    await pc.hear(type="peer_left", client_id="phone")
    phone = await Client.connect(life.url)
    phone.say(type="resume", resume_token=answer["resume_token"], received=0)
    await phone.hear(type="error", code="resume_expired")
    await phone.register("phone", life.room)
    await pc.hear(type="peer_joined")
    await life.end(phone, pc)


async def half_open(life: Life) -> None:
    """A phone is gone and nobody knows: the server misses it, or another one claims its id."""
    pc, phone = await life.pc(), await life.pc("phone", resume=life.rng.random() < 0.5)
    await pc.hear(type="peer_joined")
    life.counts["drops"] += 1
    if life.rng.random() < 0.5:
        again = await life.pc("phone")  # the one before says nothing when it is asked
        await pc.hear(type="peer_left", client_id="phone")
        await pc.hear(type="peer_joined", client_id="phone")
        await life.call(again, "pc", pc, "phone")
        await again.close()
    await pc.hear(type="peer_left", client_id="phone")
    phone.abort()
    await life.end(pc)


async def taken_id(life: Life) -> None:
    """Somebody claims the id of a client that is alive."""
    pc, thief = await life.pc(), await Client.connect(life.url)
    thief.say(type="register", client_id="pc", room_id=life.room)
    thief.say(type="offer", target_id="pc", sdp="v=0")
    life_sign = asyncio.create_task(pc.hear(type="pong"))  # while it hears it answers pings
    await thief.hear(type="error", code="id_taken")
    await thief.hear(type="error", code="not_registered")
    pc.say(type="ping")
    await life_sign
    await life.end(thief, pc)


async def in_the_room(life: Life) -> None:
    """Several peers, messages to all of them, and the wrong words."""
    pc = await life.pc()
    others = []
    for number in range(life.rng.randrange(2, 6)):
        others.append(await life.pc(f"phone{number}"))
        for one in (pc, *others[:-1]):
            await one.hear(type="peer_joined", client_id=f"phone{number}")
    pc.say(type="message", data={"for": "all"})
    for one in others:
        await one.hear(type="message", sender_id="pc")
    pc.say(type="peers")
    await pc.hear(type="peers", room_id=life.room)
    pc.say_text(b'{"type":"offer","target_id"')
    await pc.hear(type="error", code="invalid_json")
    pc.say(type="hello")
    await pc.hear(type="error", code="unknown_type")
    pc.say(type="offer", target_id="nobody", sdp="v=0")
    await pc.hear(type="error", code="peer_not_found")
    pc.say_binary(b"\0")
    if (code := await pc.ended()) != 1003:
        raise Unexpected(f"a binary frame was answered by {code}")
    for one in others:
        await one.hear(type="peer_left", client_id="pc")
    for one in others:
        one.abort()
        life.counts["drops"] += 1


Scenario = Callable[[Life], Awaitable[None]]

ALL: dict[Scenario, int] = {
    ordinary_call: 4,
    app_call: 3,
    resumed_call: 4,
    late_resume: 1,
    half_open: 1,
    taken_id: 1,
    in_the_room: 1,
}
"""The scenarios, and how often each is played in comparison."""
