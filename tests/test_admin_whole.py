"""What an operator sees of a cluster, whichever of its nodes is asked."""

from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from fake_nodes import FakeNodes, take_over

from twisted_signal.admin.errors import ApiError
from twisted_signal.admin.later import Task
from twisted_signal.admin.views import CallView, ClientView, HistoryView, RoomView, ServerView
from twisted_signal.history import STEP

Said = TypeVar("Said")


@pytest.fixture
def nodes() -> FakeNodes:
    return FakeNodes("b", "c", "a")


def said(work: Coroutine[Any, Any, Said]) -> Said:
    return Task(work).result()


def rooms(nodes: FakeNodes, at: str, node: str | None = None, **more: Any) -> Any:
    whole = nodes.whole(at)
    return said(whole.rooms(whole.begin(node), **{"search": "", "offset": 0, "limit": 50, **more}))


def clients(nodes: FakeNodes, at: str, node: str | None = None, **more: Any) -> Any:
    whole = nodes.whole(at)
    given = {"search": "", "room_id": None, "offset": 0, "limit": 50, **more}
    return said(whole.clients(whole.begin(node), **given))


def calls(nodes: FakeNodes, at: str, node: str | None = None, **more: Any) -> Any:
    whole = nodes.whole(at)
    given = {"search": "", "room_id": None, "offset": 0, "limit": 50, "only_problems": False}
    return said(whole.calls(whole.begin(node), **{**given, **more}))


def server(nodes: FakeNodes, at: str) -> ServerView:
    whole = nodes.whole(at)
    return said(whole.server(whole.begin()))


def room_ids(items: list[RoomView]) -> list[str]:
    return [room.room_id for room in items]


def client_ids(items: list[ClientView]) -> list[str | None]:
    return [client.client_id for client in items]


class TestRooms:
    @pytest.mark.parametrize("at", ["a", "b", "c"])
    def test_those_of_all_nodes_are_one_list_in_one_order(self, nodes: FakeNodes, at: str) -> None:
        for name in ("b", "a", "c", "a"):
            nodes[name].registered("phone", f"{name}{len(nodes.asked)}")
            nodes.asked.append((name, b""))

        page = rooms(nodes, at)

        assert room_ids(page.items) == ["a1", "a3", "b0", "c2"]
        assert [room.nodes for room in page.items] == [["a"], ["a"], ["b"], ["c"]]
        assert (page.total, page.missing_nodes) == (4, [])

    @pytest.mark.parametrize("at", ["a", "b", "c"])
    def test_one_that_several_nodes_have_clients_in_is_one(self, nodes: FakeNodes, at: str) -> None:
        for name in ("c", "b"):
            nodes[name].registered(f"phone-{name}", "lab")
        nodes["a"].registered("phone", "hall")
        nodes.share("lab")

        page = rooms(nodes, at)

        assert [(room.room_id, room.clients, room.nodes) for room in page.items] == [
            ("hall", 1, ["a"]),
            ("lab", 2, ["b", "c"]),
        ]
        assert page.total == server(nodes, at).rooms == 2

    @pytest.mark.parametrize("limit", [1, 2, 3, 5, 50])
    def test_pages_have_each_room_once(self, nodes: FakeNodes, limit: int) -> None:
        for number in range(12):
            nodes["abc"[number % 3]].registered("phone", f"room{number:02}")
        for number in range(5):
            nodes["a"].registered("phone", f"both{number}")
            nodes["c"].registered("pc", f"both{number}")
            nodes.share(f"both{number}")

        seen = []
        for number, offset in enumerate(range(0, 17, limit)):
            page = rooms(nodes, "abc"[number % 3], offset=offset, limit=limit)  # a balancer deals
            assert (page.total, page.offset, page.limit) == (17, offset, limit)
            seen += room_ids(page.items)

        assert len(seen) == 17
        assert set(seen) == {f"room{n:02}" for n in range(12)} | {f"both{n}" for n in range(5)}

    def test_beyond_the_end_there_is_nothing(self, nodes: FakeNodes) -> None:
        nodes["b"].registered("phone", "lab")

        page = rooms(nodes, "a", offset=7)

        assert (page.items, page.total) == ([], 1)

    def test_they_are_searched_on_all_nodes(self, nodes: FakeNodes) -> None:
        for name in "abc":
            nodes[name].registered("phone", f"Lab-{name}")
            nodes[name].registered("phone", f"hall-{name}")

        page = rooms(nodes, "b", search="lab", offset=1, limit=2)

        assert room_ids(page.items) == ["Lab-b", "Lab-c"]
        assert page.total == 3

    def test_those_of_one_node_can_be_asked_for(self, nodes: FakeNodes) -> None:
        nodes["b"].registered("pc", "lab")
        nodes["c"].registered("phone", "lab")
        nodes["a"].registered("phone", "hall")
        nodes.share("lab")

        assert room_ids(rooms(nodes, "a", "c").items) == ["lab"]
        assert room_ids(rooms(nodes, "a", "a").items) == ["hall"]
        with pytest.raises(ApiError, match="There is no node d;"):
            rooms(nodes, "a", "d")

    def test_a_room_has_the_clients_of_all_nodes(self, nodes: FakeNodes) -> None:
        for name in ("c", "a", "c"):
            nodes[name].registered(f"phone{len(nodes.asked)}", "lab")
            nodes.asked.append((name, b""))
        nodes["b"].registered("phone", "hall")
        nodes.share("lab")

        whole = nodes.whole("b")
        detail = said(whole.room(whole.begin(), "lab", 1, 50))

        assert (detail.room.clients, detail.room.nodes) == (3, ["a", "c"])
        assert client_ids(detail.clients.items) == ["phone0", "phone2"]
        assert (detail.clients.total, detail.clients.offset) == (3, 1)
        with pytest.raises(ApiError, match="There is no room cellar; a room exists while it has"):
            said(whole.room(whole.begin(), "cellar", 0, 50))


class TestClients:
    @pytest.mark.parametrize("at", ["a", "b", "c"])
    def test_each_is_told_of_by_its_node(self, nodes: FakeNodes, at: str) -> None:
        nodes["c"].registered("pc", "lab")
        nodes["a"].registered("phone", "lab")
        nodes["b"].open()
        nodes.share("lab")

        page = clients(nodes, at)

        assert client_ids(page.items) == ["phone", None, "pc"]
        assert [client.node for client in page.items] == ["a", "b", "c"]
        assert len({client.key for client in page.items}) == page.total == 3
        assert all(client.address for client in page.items)
        assert clients(nodes, at, room_id="lab").total == 2
        assert client_ids(clients(nodes, at, search="PC").items) == ["pc"]
        assert client_ids(clients(nodes, at, "c").items) == ["pc"]

    def test_their_keys_are_those_of_the_cluster(self, nodes: FakeNodes) -> None:
        for name in "ab":
            nodes[name].registered("phone", name)

        keys = [client.key for client in clients(nodes, "c").items]

        assert [key.rpartition(":")[0] for key in keys] == ["a", "b"]

    def test_pages_go_on_from_node_to_node(self, nodes: FakeNodes) -> None:
        for number in range(10):
            nodes["abc"[number % 3]].registered(f"{number}", "lab")

        seen = [
            each
            for offset in range(0, 10, 4)
            for each in client_ids(clients(nodes, "b", offset=offset, limit=4).items)
        ]

        assert seen == ["0", "3", "6", "9", "1", "4", "7", "2", "5", "8"]

    def test_one_whose_place_came_from_another_node_is_away(self, nodes: FakeNodes) -> None:
        take_over(nodes["b"], "phone", "lab")
        nodes["b"].wait(3)

        for found in (clients(nodes, "a"), clients(nodes, "a", room_id="lab", search="PHO")):
            (client,) = found.items
            assert (client.client_id, client.state, client.node) == ("phone", "away", "b")
            assert (client.address, client.round_trip_ms, client.dialect) == (None, None, None)
            assert client.connected_for_s == 3
        assert clients(nodes, "a", search="192").total == 0


class TestDisconnecting:
    def test_another_node_does_it(self, nodes: FakeNodes) -> None:
        phone, pc = nodes["b"].registered("phone", "lab"), nodes["b"].registered("pc", "lab")
        (client,) = clients(nodes, "a", search="phone").items

        assert said(nodes.whole("a").disconnect(client.key)).client_id == "phone"

        assert phone.close_code == 4410
        assert pc.hear()[-1] == {"type": "peer_left", "client_id": "phone"}
        with pytest.raises(ApiError, match=f"No client has the key {client.key};"):
            said(nodes.whole("a").disconnect(client.key))

    def test_nobody_else_has_the_same_key(self, nodes: FakeNodes) -> None:
        here, there = nodes["a"].registered("here"), nodes["b"].registered("there")
        (client,) = clients(nodes, "a", search="there").items

        said(nodes.whole("a").disconnect(client.key))

        assert (here.close_code, there.close_code) == (None, 4410)

    def test_a_place_without_its_client_is_given_up(self, nodes: FakeNodes) -> None:
        take_over(nodes["b"], "phone", "lab")
        (client,) = clients(nodes, "a").items

        assert said(nodes.whole("c").disconnect(client.key)).state == "away"

        assert clients(nodes, "a").total == 0
        assert rooms(nodes, "a").total == 0

    def test_a_node_that_says_nothing_may_have_done_it(self, nodes: FakeNodes) -> None:
        nodes["b"].registered("phone")
        (client,) = clients(nodes, "a").items
        nodes.silent = {"b"}

        with pytest.raises(ApiError, match="The node b has not answered") as raised:
            said(nodes.whole("a").disconnect(client.key))

        assert (raised.value.status, raised.value.code) == (504, "node_silent")

    def test_a_node_that_is_away_cannot_ask_the_others(self, nodes: FakeNodes) -> None:
        here = nodes["a"].registered("phone")
        (client,) = clients(nodes, "a").items
        nodes.clusters["a"].up = False
        nodes.clusters["a"].others = tuple  # type: ignore[method-assign] # as it knows of none

        with pytest.raises(ApiError, match="The node b has not answered"):
            said(nodes.whole("a").disconnect("b:1"))
        said(nodes.whole("a").disconnect(client.key))
        assert here.close_code == 4410

    @pytest.mark.parametrize("key", ["d:1", "1", "", ":", "a:", "a:x", "b:place-x"])
    def test_what_is_no_key_of_anybody_is_refused(self, nodes: FakeNodes, key: str) -> None:
        nodes["a"].registered("phone")

        with pytest.raises(ApiError) as raised:
            said(nodes.whole("a").disconnect(key))

        assert raised.value.code == "unknown_client"


def call_across(nodes: FakeNodes) -> None:
    """Let a phone at a offer to a pc at b, and b know no more than that they are there."""
    phone = nodes["a"].registered("phone", "lab")
    nodes["b"].registered("pc", "lab")
    nodes.share("lab")
    phone.say(type="offer", target_id="pc", sdp="v=0")


class TestCalls:
    @pytest.mark.parametrize("at", ["a", "b", "c"])
    def test_one_that_two_nodes_know_is_told_by_the_one_that_saw_the_most(
        self, nodes: FakeNodes, at: str
    ) -> None:
        call_across(nodes)
        nodes["a"].wait(30)
        nodes["b"].wait(30)
        both: list[Any] = [calls(nodes, at, node).items for node in ("a", "b")]
        assert [len(items) for items in both] == [1, 1]

        page = calls(nodes, at)

        assert page.total == 1
        assert page.items == both[0]
        assert "offer" in [step.kind for step in page.items[0].steps]

    def test_all_are_in_the_order_of_their_last_steps(self, nodes: FakeNodes) -> None:
        for number, name in enumerate("abcab"):
            nodes[name].registered("phone", f"lab{number}")
            pc = nodes[name].registered("pc", f"lab{number}")
            for each in "abc":
                nodes[each].wait(1)
            pc.say(type="offer", target_id="phone", sdp="v=0")

        first, second = calls(nodes, "c", limit=3), calls(nodes, "a", offset=3, limit=3)

        assert [call.room_id for call in first.items] == ["lab4", "lab3", "lab2"]
        assert [call.room_id for call in second.items] == ["lab1", "lab0"]
        assert first.total == second.total == 5
        assert [call.key for call in first.items] == [
            f"{call.node}:{call.number}" for call in first.items
        ]

    def test_they_are_chosen_on_all_nodes(self, nodes: FakeNodes) -> None:
        for name in "ab":
            nodes[name].registered("phone", f"lab-{name}")
            pc = nodes[name].registered("pc", f"lab-{name}")
            pc.say(type="offer", target_id="nobody" if name == "b" else "phone", sdp="v=0")

        def found(**more: Any) -> list[str]:
            items: list[CallView] = calls(nodes, "c", **more).items
            return [call.room_id for call in items]

        assert found(search="LAB-A") == found(room_id="lab-a") == ["lab-a"]
        assert found(only_problems=True) == ["lab-b"]
        assert found(node="a") == ["lab-a"]


class TestTheServer:
    def test_totals_are_of_all_and_each_node_is_told_of(self, nodes: FakeNodes) -> None:
        nodes["a"].registered("phone", "lab")
        nodes["b"].registered("pc", "lab")
        nodes["b"].registered("pc", "hall")
        nodes["a"].connect()
        nodes.share("lab")
        nodes["c"].service.stopService()

        view = server(nodes, "b")

        assert (view.node, view.cluster_up, view.draining) == ("b", True, False)
        assert (view.connections, view.clients, view.rooms) == (4, 3, 2)
        assert [(node.name, node.clients, node.rooms, node.draining) for node in view.nodes] == [
            ("a", 1, 1, False),
            ("b", 2, 2, False),
            ("c", 0, 0, True),
        ]
        assert all(node.reachable for node in view.nodes)

    def test_the_history_is_that_of_all_together(self, nodes: FakeNodes) -> None:
        for name in "ab":
            nodes[name].service.telemetry.startService()
            nodes[name].registered("phone", "lab")
            nodes[name].wait(STEP if name == "a" else 2 * STEP)
            nodes[name].service.telemetry.stopService()
        whole = nodes.whole("a")

        history: HistoryView = said(whole.history(whole.begin()))

        assert history.step_s == STEP
        assert history.series["clients"] == [1, 2]
        assert history.series["registrations"] == [0.2, 0.2]
        assert history.series["lag"] == [0, 0]


class TestNodesThatDoNotAnswer:
    def test_their_part_is_left_out_and_they_are_named(self, nodes: FakeNodes) -> None:
        for name in "abc":
            nodes[name].registered("phone", name)
        nodes.silent = {"b"}

        for page in (rooms(nodes, "a"), clients(nodes, "a"), calls(nodes, "a")):
            assert page.missing_nodes == ["b"]
        assert room_ids(rooms(nodes, "a").items) == ["a", "c"]
        view = server(nodes, "a")
        assert (view.rooms, view.clients) == (2, 2)
        assert [(node.name, node.reachable, node.clients) for node in view.nodes] == [
            ("a", True, 1),
            ("b", False, None),
            ("c", True, 1),
        ]

    def test_a_room_that_is_not_found_may_be_theirs(self, nodes: FakeNodes) -> None:
        nodes.silent = {"b"}
        whole = nodes.whole("a")

        with pytest.raises(ApiError, match=r"There is no room lab; .* b does not answer\."):
            said(whole.room(whole.begin(), "lab", 0, 50))

    def test_they_are_asked_once_for_each_answer(self, nodes: FakeNodes) -> None:
        for name in "abc":
            nodes[name].registered("phone", name)
        nodes.silent = {"b"}

        clients(nodes, "a")

        assert [name for name, _ in nodes.asked].count("b") == 1

    def test_a_node_that_is_away_tells_of_its_own_and_asks_nobody(self, nodes: FakeNodes) -> None:
        nodes["a"].registered("pc", "lab")
        nodes["b"].registered("phone", "lab")
        nodes["b"].registered("tablet", "hall")
        nodes.share("lab")
        nodes.clusters["b"].up = False

        page = rooms(nodes, "b")

        assert [(room.room_id, room.clients) for room in page.items] == [("lab", 2), ("hall", 1)]
        assert page.missing_nodes == ["a", "c"]
        assert client_ids(clients(nodes, "b").items) == ["phone", "tablet"]
        view = server(nodes, "b")
        assert (view.cluster_up, view.rooms, view.clients) == (False, 2, 2)
        assert [node.reachable for node in view.nodes] == [False, True, False]
        assert nodes.asked == []

    def test_one_server_by_itself_names_no_node(self) -> None:
        nodes = FakeNodes("")
        nodes[""].registered("phone", "lab")

        assert rooms(nodes, "").items[0].nodes == []
        assert clients(nodes, "").items[0].node is None
        assert clients(nodes, "").items[0].key.isdigit()
        view = server(nodes, "")
        assert (view.node, view.cluster_up, view.nodes) == (None, None, [])
