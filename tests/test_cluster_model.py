"""Random operations and faults on three nodes, held against what their clients believe.

The model is that each client is right: after quiet, a client that believes to be in a room is there
for all nodes and for Redis, with those peers that it knows of, and nobody else is anywhere.
"""

import os
import random
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import msgspec
from cluster_people import Person, Place, everybody_reads
from cluster_stage import Stage
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twisted_signal.cluster.wire import Record, read_record
from twisted_signal.registry import DuplicateId

EXAMPLES = int(os.environ.get("CLUSTER_MODEL_EXAMPLES", "50"))
"""Of each kind; more of them find more, but not in the time of a test."""
STEPS = 50
PEOPLE = 5
NODES = ("a", "b", "c")
QUIET_S = 30
PASSED_ON_S = 31

people = st.integers(0, PEOPLE - 1)
nodes = st.integers(0, len(NODES) - 1)
often = st.sampled_from([True, True, False])
counts = st.integers(0, 4)

Arguments = Mapping[str, st.SearchStrategy[Any]]

CALM: dict[str, tuple[int, Arguments]] = {
    "settle": (3, {}),  # first, for what does not matter for a failure shrinks to it
    "register": (
        6,
        {
            "number": people,
            "node": nodes,
            "client_id": st.sampled_from(["x", "y", "z"]),
            "room_id": st.sampled_from(["lab", "lab", "hall"]),
            "resume": often,
            "client_type": st.sampled_from(["pc", "phone"]),
        },
    ),
    "resume": (5, {"number": people, "node": nodes}),
    "break_connection": (2, {"number": people, "notices": st.booleans()}),
    "leave": (1, {"number": people}),
    "tell": (6, {"number": people, "peer": st.integers(0, 2), "as_candidate": st.booleans()}),
    "tell_all": (1, {"number": people}),
    "offer": (1, {"number": people}),
    "move_on": (6, {"choices": st.lists(st.integers(0, 30), min_size=1, max_size=16)}),
    "pass_time": (4, {"ticks": st.sampled_from([1, 2, 4, 8, 12, 24, 40]), "settles": often}),
    "stop": (1, {"node": nodes}),
}
"""What can happen, how often in relation to the others, and with which arguments."""
FAULTS: dict[str, tuple[int, Arguments]] = {
    "break_link": (1, {"node": nodes, "run": counts, "late": counts}),
    "cut": (1, {"node": nodes}),
    "mend": (1, {"node": nodes}),
    "pause": (1, {}),
    "go_on": (2, {}),
    "empty_redis": (1, {}),
    "restart_redis": (1, {}),
    "replicate": (1, {}),
    "fail_over": (1, {}),
    "kill": (1, {"node": nodes, "run": counts}),
    "freeze": (1, {"node": nodes}),
    "thaw": (2, {"node": nodes}),
}

Operation = tuple[str, dict[str, Any]]


def programs(*, faults: bool) -> st.SearchStrategy[list[Operation]]:
    """Return programs of these operations."""
    table = {**CALM, **FAULTS} if faults else CALM
    choices = [
        st.tuples(st.just(name), st.fixed_dictionaries(dict(arguments)))
        for name, (weight, arguments) in table.items()
        for _ in range(weight)
    ]
    one = st.sampled_from(choices).flatmap(lambda choice: choice)
    return st.lists(one, min_size=STEPS // 2, max_size=STEPS)  # else most are of a few steps


class ClusterModel:
    """Three nodes, five clients, and all that can go wrong."""

    def __init__(self, duplicate_id: DuplicateId, *, faults: bool) -> None:
        """`faults`: whether anything does; else nothing may be lost."""
        self.faults = faults
        self.stage = Stage(duplicate_id=duplicate_id)
        self.stage.settle()
        self.people = [
            Person(number, self.stage, is_strict=not self.faults) for number in range(PEOPLE)
        ]
        self.names = list(NODES)
        self.generation = 0
        self.replica: dict[bytes, Any] = {}
        self.told: list[tuple[Person, int, Person, Place, str]] = []

    # What clients do

    def name_of(self, node: int) -> str | None:
        """Return a node's name, if it does anything."""
        simulated = self.stage.nodes[self.names[node]]
        return simulated.name if simulated.runs and not simulated.is_stopping else None

    def speaker(self, number: int) -> Person | None:
        """Return a client that can say something, and is heard at once."""
        person = self.people[number]
        person.read()
        line = person.line
        return person if line is not None and line.is_open and line.node.runs else None

    def register(
        self,
        *,
        number: int,
        node: int,
        client_id: str,
        room_id: str,
        resume: bool,
        client_type: str,
    ) -> None:
        person = self.people[number]
        person.read()
        if person.line is None:
            name = self.name_of(node)
            if name is None:
                return
            person.place = None
            person.connect(name)
        if self.speaker(number) is not None:
            person.register(client_id, room_id, resume=resume, client_type=client_type)

    def resume(self, number: int, node: int) -> None:
        person, name = self.people[number], self.name_of(node)
        person.read()
        if person.place is not None and person.place.token is not None and name is not None:
            person.resume(name)

    def break_connection(self, number: int, notices: bool) -> None:
        person = self.people[number]
        if notices:
            person.lose()
        else:
            person.break_off()

    def leave(self, number: int) -> None:
        person = self.speaker(number)
        if person is not None:
            person.leave()

    def tell(self, number: int, peer: int, as_candidate: bool) -> None:
        person = self.speaker(number)
        if person is None or person.place is None or person.waits:
            return
        peers = sorted(person.place.peers)
        if not peers:
            return
        target_id = peers[peer % len(peers)]
        said = person.tell(target_id, as_candidate=as_candidate)
        place = person.place
        for other in self.people:
            there = other.place
            if there is not None and (there.room_id, there.client_id) == (place.room_id, target_id):
                self.told.append((person, said, other, there, target_id))

    def tell_all(self, number: int) -> None:
        person = self.speaker(number)
        if person is not None and person.place is not None:
            person.tell(None)

    def offer(self, number: int) -> None:
        person = self.speaker(number)
        if person is not None and person.place is not None:
            person.offer()

    # What happens meanwhile

    def move_on(self, choices: list[int]) -> None:
        for choice in choices:
            steps = self.stage.steps()
            if steps:
                steps[choice % len(steps)]()

    def move_on_at_random(self, seed: int, count: int) -> None:
        rng = random.Random(seed)
        for _ in range(count):
            steps = self.stage.steps()
            if steps:
                rng.choice(steps)()

    def settle(self) -> None:
        self.stage.settle()

    def pass_time(self, ticks: int, settles: bool) -> None:
        for _ in range(ticks):
            self.stage.pass_time(0.25, settles=settles)
            everybody_reads(self.people)

    # What goes wrong

    def break_link(self, node: int, run: int, late: int) -> None:
        simulated = self.stage.nodes[self.names[node]]
        if simulated.runs and simulated.link is not None:
            simulated.lose(run=run, late=late)

    def cut(self, node: int) -> None:
        link = self.stage.nodes[self.names[node]].link
        if link is not None:
            link.is_cut = True

    def mend(self, node: int) -> None:
        link = self.stage.nodes[self.names[node]].link
        if link is not None:
            link.is_cut = False

    def pause(self) -> None:
        self.stage.is_paused = True

    def go_on(self) -> None:
        self.stage.is_paused = False

    def empty_redis(self) -> None:
        self.stage.redis.empty()

    def restart_redis(self) -> None:
        self.stage.restart_redis()

    def replicate(self) -> None:
        self.replica = deepcopy(self.stage.redis.keys)

    def fail_over(self) -> None:
        self.stage.restart_redis(deepcopy(self.replica))

    def kill(self, node: int, run: int) -> None:
        self.stage.nodes[self.names[node]].kill(run=run)
        self.replace(node)

    def freeze(self, node: int) -> None:
        self.stage.nodes[self.names[node]].is_frozen = True

    def thaw(self, node: int) -> None:
        self.stage.nodes[self.names[node]].is_frozen = False

    def stop(self, node: int) -> None:
        simulated = self.stage.nodes[self.names[node]]
        if not simulated.runs or simulated.is_stopping:
            return
        for line in list(simulated.lines):
            line.lose()
        for person in self.people:
            person.is_strict = False  # another node may have to take a place over as it is
        everybody_reads(self.people)
        simulated.stop()
        self.replace(node)

    def replace(self, node: int) -> None:
        """Start a node in the place of one that has gone, or goes."""
        self.generation += 1
        name = f"{NODES[node]}{self.generation}"
        self.names[node] = name
        self.stage.start(name)

    # What must be so

    def end(self) -> None:
        """After quiet, all agree; and when all have gone, nothing is left."""
        self.heal()
        self.rest(QUIET_S)
        self.all_agree()
        if not self.faults and self.generation == 0:  # who stops loses what it could not hand over
            self.nothing_was_lost()
        for person in self.people:
            if person.line is not None:
                person.leave()
                person.lose()
        self.rest(PASSED_ON_S)
        self.nothing_is_left()

    def rest(self, seconds: int) -> None:
        for _ in range(seconds):
            self.stage.pass_time(1)
            everybody_reads(self.people)

    def heal(self) -> None:
        self.stage.is_paused = False
        for node in self.stage.running:
            node.is_frozen = False
            if node.link is not None:
                node.link.is_cut = False

    def all_agree(self) -> None:
        stage = self.stage
        believed = self.beliefs()
        records = {
            (key.removeprefix(b"vislam:room:").decode(), record.client_id): record
            for key, value in stage.redis.keys.items()
            if key.startswith(b"vislam:room:")
            for record in map(read_record, value.values())
        }
        assert records.keys() == believed.keys(), (records, believed)
        for (room_id, client_id), person in believed.items():
            assert person.line is not None
            assert person.place is not None
            record = records[room_id, client_id]
            member = person.line.session.member
            assert member is not None
            assert record.node == person.line.node.name
            assert record.place == member.place
            assert record.resume_token == (person.place.token or "")
            peers = {other for there, other in records if there == room_id} - {client_id}
            assert person.place.peers == peers, (person, peers)
            if person.is_strict:
                assert person.place.told == peers, (person, peers)
        for node in stage.running:
            assert node.node.is_up, node.name
            for room_id, room in node.registry.rooms.items():
                there = {
                    client_id: (
                        record.place,
                        None if record.node == node.name else record.node,
                        record.client_type,
                    )
                    for (in_room, client_id), record in records.items()
                    if in_room == room_id
                }
                here = {
                    member.client_id: (member.place, member.node, member.client_type)
                    for member in room.members.values()
                }
                assert there == here, (node.name, there, here)
        self.redis_has_only(records)

    def beliefs(self) -> dict[tuple[str, str], Person]:
        """Return who believes to be in which room, under which id."""
        believed: dict[tuple[str, str], Person] = {}
        for person in self.people:
            assert not person.waits, person
            if person.place is not None and person.line is person.place.line:
                key = (person.place.room_id, person.place.client_id)
                assert key not in believed, (person, believed[key])
                believed[key] = person
        return believed

    def redis_has_only(self, records: dict[tuple[str, str], Record]) -> None:
        """Nothing is there but what belongs to these, and to the nodes."""
        known: dict[bytes, Any] = {}
        for (room_id, client_id), record in records.items():
            where = msgspec.json.encode([room_id, client_id])
            of_node = known.setdefault(f"vislam:node:{record.node}".encode(), {})
            of_node[record.place.encode()] = where
            of_room = known.setdefault(f"vislam:nodes:{room_id}".encode(), {})
            node = record.node.encode()
            of_room[node] = b"%d" % (int(of_room.get(node, b"0")) + 1)
            if record.resume_token:
                known[f"vislam:resume:{record.resume_token[:16]}".encode()] = where
        running = {node.name.encode() for node in self.stage.running}
        for key, value in self.stage.redis.keys.items():
            if key in (b"vislam:epochs", b"vislam:leases"):
                assert value.keys() == running, (key, value)
            elif key.startswith(b"vislam:nodes:"):
                found = {name: count for name, count in value.items() if name != b"#"}
                assert found == known.get(key), (key, found, known)
            elif not key.startswith((b"vislam:room:", b"vislam:beats")):
                assert value == known.get(key), (key, value, known.get(key))
        for key in known:
            assert key in self.stage.redis.keys, key

    def nothing_was_lost(self) -> None:
        for person, said, other, place, target_id in self.told:
            if other.place is place and other.line is place.line:
                got = (person.number, said) in other.got
                assert got or target_id in person.unreached, (person, said, other, target_id)

    def nothing_is_left(self) -> None:
        self.redis_has_only({})
        for simulated in self.stage.running:
            node, registry = simulated.node, simulated.registry
            assert not registry.rooms
            assert not list(registry.resumable_members())
            assert registry.tally.members == 0
            state, replicas = node._state, node._replicas
            joining, moves = node._joining, node._moves
            assert not state.places
            assert not replicas.stale
            assert not replicas._missing
            assert not joining._joins
            assert not joining._searches
            assert not moves._absent
            assert not state.passed_on
            assert not state.neighbours._asked
            names = {other.name for other in self.stage.running if other is not simulated}
            assert set(state.neighbours.names) == names


def run(duplicate_id: DuplicateId, program: list[Operation], *, faults: bool) -> None:
    """Let things happen, and see that all is as it must be."""
    model = ClusterModel(duplicate_id, faults=faults)
    for name, arguments in program:
        getattr(model, name)(**arguments)
        everybody_reads(model.people)
    model.end()


slowly = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@slowly
@given(st.sampled_from(DuplicateId), programs(faults=False))
def test_nothing_is_lost_where_nothing_breaks(
    duplicate_id: DuplicateId, program: list[Operation]
) -> None:
    run(duplicate_id, program, faults=False)


@slowly
@given(st.sampled_from(DuplicateId), programs(faults=True))
def test_all_agree_in_the_end_whatever_breaks(
    duplicate_id: DuplicateId, program: list[Operation]
) -> None:
    run(duplicate_id, program, faults=True)
