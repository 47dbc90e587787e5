"""Plays calls in the core, at times that a test names, and looks at what is seen of them."""

import json
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
from plain import NOW_NS, PlainClient, raw

from twisted_signal.case import Diagnosis
from twisted_signal.diagnosis import CallView, call_views
from twisted_signal.errors import SignalError
from twisted_signal.messages import (
    Answer,
    ClientMessage,
    IceCandidate,
    Offer,
    Register,
    Registered,
    Resume,
    Resumed,
)
from twisted_signal.registry import Registry
from twisted_signal.session import Session

RECORDED = Path(__file__).parent / "recorded"
SECOND = 1_000_000_000

END = None
PRIVATE = "192.168.1.{}"
ELSEWHERE = "10.20.30.{}"


class Scene:
    """Clients by name, which is their id too. `at` is the time, in seconds since the beginning."""

    def __init__(self) -> None:
        self.registry = Registry()
        self.at = 0.0
        self.sessions: dict[str, Session] = {}
        self.clients: dict[str, PlainClient] = {}
        self.refused: list[str] = []

    @property
    def now_ns(self) -> int:
        return NOW_NS + round(self.at * SECOND)

    def join(self, *names: str, room: str = "lab", client_type: str = "test", **more: Any) -> None:
        for name in names:
            self.clients[name] = PlainClient()
            self.sessions[name] = Session(self.clients[name], self.registry, "192.0.2.7:4321")
            self.register(name, room, client_type, **more)

    def register(
        self, name: str, room: str = "lab", client_type: str = "test", **more: Any
    ) -> None:
        self.say(name, Register(name, room, client_type, **more))

    def say(self, name: str, message: ClientMessage) -> None:
        try:
            self.sessions[name].handle(message, self.now_ns)
        except SignalError as error:
            self.refused.append(error.code)

    def offer(self, by: str, to: str | None, ufrag: str = "", sdp: str = "") -> None:
        self.say(by, Offer(description("offer", ufrag or by, sdp), to))

    def answer(self, by: str, to: str | None, ufrag: str = "", sdp: str = "") -> None:
        self.say(by, Answer(description("answer", ufrag or by, sdp), to))

    def trickle(self, by: str, to: str | None, *kinds: str | None, address: str = PRIVATE) -> None:
        """Send candidates of some types, such as `host` or `relay tcp`; END: no more."""
        for kind, number in zip(kinds, count(2), strict=False):
            self.say(by, IceCandidate(candidate(kind, address.format(number)), to))

    def call(self, by: str, to: str, *kinds: str | None) -> None:
        """Let two make a call, with candidates of some types from both."""
        self.offer(by, to)
        self.answer(to, by)
        for one, other in ((by, to), (to, by)):
            self.trickle(one, other, *kinds)

    def leave(self, name: str) -> None:
        self.sessions.pop(name).end(self.now_ns)

    def lose(self, name: str) -> None:
        assert self.sessions[name].lose(self.now_ns)

    def resume(self, name: str) -> None:
        tokens = [
            message.resume_token
            for message in self.clients[name].told
            if isinstance(message, Registered | Resumed)
        ]
        self.clients[name] = PlainClient()
        self.sessions[name] = Session(self.clients[name], self.registry, "192.0.2.8:4321")
        assert tokens[-1] is not None
        self.say(name, Resume(tokens[-1]))

    # What is seen

    def views(self) -> list[CallView]:
        return call_views(self.registry, self.now_ns)

    def view(self) -> CallView:
        (view,) = self.views()
        return view

    def timeline(self) -> list[str]:
        """Return the steps of the only call, each in a line."""
        return lines(self.view())

    def diagnosis(self, at: float | None = None) -> Diagnosis | None:
        """Return what is wrong with the call in which something happened last."""
        if at is not None:
            self.at = at
        return self.views()[0].diagnosis

    def rule(self, at: float | None = None) -> str | None:
        """Return the name of the rule that applies to that call."""
        found = self.diagnosis(at)
        return found.rule if found is not None else None


def lines(view: CallView) -> list[str]:
    """Return the steps of a call, each in a line."""
    return [
        " ".join(filter(None, (step.by, step.kind, step.detail and f"({step.detail})")))
        for step in view.steps
    ]


def description(type_: str, ufrag: str, more: str = "") -> msgspec.Raw:
    lines_ = f"v=0\r\na=ice-ufrag:{ufrag}\r\na=fingerprint:sha-256 {ufrag}\r\n{more}"
    return raw({"type": type_, "sdp": lines_})


def candidate_text(kind: str, address: str) -> str:
    type_, _, protocol = kind.partition(" ")
    return f"candidate:1 1 {protocol or 'udp'} 2122260223 {address} 46154 typ {type_}"


def candidate(kind: str | None, address: str) -> msgspec.Raw:
    if kind is END:
        return raw(None)
    return raw({"candidate": candidate_text(kind, address), "sdpMid": "0"})


def recorded(name: str) -> Scene:
    """Play a call that was recorded: what clients said, and when."""
    scene = Scene()
    for line in (RECORDED / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        scene.at = event.pop("at_ms") / 1000
        by, type_ = event.pop("by"), event.pop("type")
        match type_:
            case "joined":
                scene.join(by, resume=by == "page")
            case "left":
                scene.leave(by)
            case "lost":
                scene.lose(by)
            case _:
                message = {"type": type_, **event}
                scene.say(by, msgspec.convert(jsonable(message), Offer | Answer | IceCandidate))
    assert scene.refused == []
    return scene


def jsonable(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message with its SDP or candidate as raw JSON."""
    return {
        key: raw(value) if key in ("sdp", "candidate") else value for key, value in message.items()
    }
