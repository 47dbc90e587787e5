"""The JavaScript client in a real browser, against a real server."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from browser import Browser, Page, Visitor, visitor
from processes import PATIENCE, ROOT, Server, server
from tokens import SECRET as TOKEN_SECRET
from tokens import by_secret
from ways import Way, way

from twisted_signal.admin_client import AdminClient

STATIC = ROOT / "twisted_signal" / "web" / "static"

PRELUDE = """
    const { connect, connectPeer, Signal, SignalError } = await import("/client.js");
    const url = `ws://${location.host}/`;
    const enter = (clientId, options = {}) => connect(url, { room, clientId, ...options });
    const until = async (condition) => {
        const end = performance.now() + patience;
        while (!await condition()) {
            if (performance.now() > end) throw new Error(`It never came that ${condition}`);
            await new Promise((resolve) => setTimeout(resolve, 10));
        }
    };
    /** Collect what a client is told, for as long as it is told anything. */
    const listen = (signal) => {
        const events = [];
        (async () => { for await (const event of signal) events.push(event); })().catch(() => {});
        return events;
    };
    const raw = (...messages) => {
        const socket = new WebSocket(url);
        socket.onopen = () => messages.forEach((message) => socket.send(JSON.stringify(message)));
        return socket;
    };
"""


@pytest.fixture
def user(browser: Browser) -> Iterator[Visitor]:
    with visitor(browser) as made:
        yield made
        assert made.complaints_but("WebSocket connection to .* failed") == []


def blank(user: Visitor, url: str) -> Page:
    """Open a page of the server's that does nothing by itself."""
    return user.open(url.replace("ws:", "http:") + "/healthz")


def run(page: Page, script: str, **values: object) -> Any:
    """Run a script in a page; `values` are its variables, beside those of PRELUDE."""
    values = {"room": "client", "patience": PATIENCE * 1000, **values}
    names = ", ".join(values)
    late = f"setTimeout(() => reject(new Error('It takes too long')), {PATIENCE * 1000})"
    return page.evaluate(
        f"""({{ {names} }}) => Promise.race([
            new Promise((_, reject) => {late}),
            (async () => {{ {PRELUDE} {script} }})(),
        ])""",
        values,
    )


def begin(page: Page, script: str, **values: object) -> None:
    """Run a script in a page, up to its end; what it puts into `window` is for a later `run`."""
    run(page, script, **values)


@pytest.fixture
def page(signal_server: Server, user: Visitor) -> Page:
    return blank(user, signal_server.url)


class TestTheRoom:
    def test_peers_meet_talk_and_leave(self, page: Page) -> None:
        told = run(
            page,
            """
            const pc = await enter("pc", { clientType: "pc" });
            const events = listen(pc);
            const phone = await enter("phone1", { clientType: "phone" });
            const others = listen(phone);
            phone.sendOffer("pc", "v=0");
            phone.sendIceCandidate("pc", { candidate: "candidate:1", sdpMid: "0" });
            phone.sendIceCandidate("pc", null);
            phone.sendMessage({ battery: 0.7 });
            pc.sendAnswer("phone1", { type: "answer", sdp: "v=1" });
            await until(() => others.some(({ type }) => type === "answer"));
            await until(() => phone.peers.get("pc") !== "");
            const before = [[...pc.peers], [...phone.peers]];
            phone.close();
            await until(() => events.some(({ type }) => type === "peer_left"));
            pc.close();
            return { events, others: others.filter(({ type }) => type === "answer"), before,
                     after: [...pc.peers], states: [pc.state, phone.state] };
            """,
            room="talk",
        )
        assert told["events"] == [
            {"type": "peer_joined", "peerId": "phone1", "clientType": "phone"},
            {"type": "offer", "peerId": "phone1", "sdp": {"type": "offer", "sdp": "v=0"}},
            {
                "type": "ice_candidate",
                "peerId": "phone1",
                "candidate": {"candidate": "candidate:1", "sdpMid": "0"},
            },
            {"type": "ice_candidate", "peerId": "phone1", "candidate": None},
            {"type": "message", "peerId": "phone1", "data": {"battery": 0.7}},
            {"type": "peer_left", "peerId": "phone1"},
        ]
        assert told["others"] == [
            {"type": "answer", "peerId": "pc", "sdp": {"type": "answer", "sdp": "v=1"}}
        ]
        assert told["before"] == [[["phone1", "phone"]], [["pc", "pc"]]]
        assert told["after"] == []
        assert told["states"] == ["closed", "closed"]

    def test_what_the_server_refuses_is_an_event_with_its_code(self, page: Page) -> None:
        event = run(
            page,
            """
            const signal = await enter("alone");
            signal.sendOffer("nobody", "v=0");
            for await (const event of signal) return event;
            """,
        )
        assert event["type"] == "error"
        assert event["code"] == "peer_not_found"
        assert event["targetId"] == "nobody"
        assert "No peer nobody is in your room" in event["message"]

    def test_a_loop_that_is_left_can_be_entered_again(self, page: Page) -> None:
        types = run(
            page,
            """
            const signal = await enter("pc");
            const types = [];
            const other = await enter("a");
            for await (const { type } of signal) { types.push(type); break; }
            other.close();
            for await (const { type } of signal) { types.push(type); break; }
            return types;
            """,
            room="loops",
        )
        assert types == ["peer_joined", "peer_left"]

    def test_more_than_the_server_takes_at_once_arrives_nevertheless(
        self, user: Visitor, tmp_path: Path
    ) -> None:
        with server("--message-burst", "20", "--message-rate", "50", cwd=tmp_path) as slow:
            numbers = run(
                blank(user, slow.url),
                """
                const [a, b] = [await enter("a"), await enter("b")];
                const numbers = new Set();
                b.addEventListener("event", ({ detail: { candidate } }) => {
                    if (candidate) numbers.add(candidate.candidate);
                });
                for (let number = 0; number < 24; number++) {
                    a.sendIceCandidate("b", { candidate: `${number}` });
                }
                await until(() => numbers.size === 24);
                return [...numbers].sort((x, y) => x - y);
                """,
            )
        assert numbers == [str(number) for number in range(24)]


class TestRefusals:
    def error(self, page: Page, options: str, **values: object) -> Any:
        return run(
            page,
            f"""
            try {{
                const signal = await connect(url, {{ room, ...{options} }});
                for await (const event of signal);
                return null;
            }} catch (error) {{
                return [error instanceof SignalError, error.code, error.message];
            }}
            """,
            **values,
        )

    def test_a_token_is_missing_or_wrong_or_right(self, user: Visitor, tmp_path: Path) -> None:
        (tmp_path / "secret").write_bytes(TOKEN_SECRET)
        with server("--auth-secret-file", "secret", cwd=tmp_path) as started:
            page = blank(user, started.url)
            assert self.error(page, "{ clientId: 'a' }")[:2] == [True, "unauthorized"]
            wrong = by_secret({"exp": 4_000_000_000, "room": "other"})
            assert self.error(page, f"{{ clientId: 'a', token: '{wrong}' }}")[:2] == [
                True,
                "forbidden",
            ]
            right = by_secret({"exp": 4_000_000_000, "room": "client"})
            state = run(
                page, "return (await enter('a', { token })).state", token=right, room="client"
            )
            assert state == "connected"

    def test_an_id_is_taken(self, page: Page) -> None:
        found = run(
            page,
            """
            await enter("pc");
            return enter("pc").then(() => null, (error) => [error.code, error.message]);
            """,
            room="taken",
        )
        assert found[0] == "id_taken"
        assert "Another connection is pc in room taken" in found[1]

    def test_a_place_that_another_connection_takes_is_not_fought_for(
        self, user: Visitor, tmp_path: Path
    ) -> None:
        with server("--duplicate-id", "replace", cwd=tmp_path) as started:
            code = run(
                blank(user, started.url),
                """
                const first = await enter("pc");
                const second = await enter("pc");
                try { for await (const event of first); } catch (error) {
                    return [error.code, first.state, second.state];
                }
                """,
            )
        assert code == ["replaced", "closed", "connected"]

    def test_one_that_the_operator_sends_away_stays_away(
        self, user: Visitor, tmp_path: Path
    ) -> None:
        with server("--admin-endpoint", "tcp:0:interface=127.0.0.1", cwd=tmp_path) as started:
            admin = AdminClient(started.wait_for(r"Admin page on (\S+)/")[1])
            page = blank(user, started.url)
            begin(page, "window.pc = await enter('pc');")
            (client,) = admin.get("/api/v1/clients")["items"]
            admin.post(f"/api/v1/clients/{client['key']}/disconnect")
            code = run(
                page,
                """
                try { for await (const event of window.pc); } catch (error) {
                    return [error.code, window.pc.state];
                }
                """,
            )
        assert code == ["dismissed", "closed"]

    def test_a_server_that_is_not_there_is_unreachable(self, user: Visitor, tmp_path: Path) -> None:
        with server(cwd=tmp_path) as started:
            page = blank(user, started.url)
            run(page, "window.used = [connect, url];")
        found = page.evaluate(
            """async () => {
                const [connect, url] = window.used;
                return connect(url, { room: "r", timeoutMs: 1500 })
                    .catch((error) => [error.code, error.message]);
            }"""
        )
        assert found[0] == "unreachable"
        assert found[1].endswith("The server cannot be reached.")


@pytest.fixture
def ways(signal_server: Server) -> Iterator[Way]:
    with way(urlsplit(signal_server.url).port or 0) as made:
        yield made


class TestComingBack:
    def test_a_break_is_resumed_and_nothing_is_lost_or_told_twice(
        self, signal_server: Server, user: Visitor, ways: Way
    ) -> None:
        page = blank(user, f"ws://127.0.0.1:{ways.port}")
        begin(
            page,
            """
            window.pc = await enter("pc", { clientType: "pc" });
            window.events = listen(pc);
            window.states = [];
            pc.addEventListener("statechange", () => states.push(pc.state));
            """,
            room="resumed",
        )
        # The peer has a way of its own, and speaks all the time.
        other = blank(user, signal_server.url)
        begin(
            other,
            """
            window.phone = await enter("phone1");
            window.heard = listen(phone);
            let number = 0;
            window.speak = setInterval(() => phone.sendMessage(++number, "pc"), 5);
            window.count = () => number;
            """,
            room="resumed",
        )
        page.wait_for_function("() => events.length > 20")
        ways.cut()
        page.wait_for_function("() => events.some(({ type }) => type === 'reconnected')")
        spoken = other.evaluate("clearInterval(speak), count()")
        page.wait_for_function(f"() => events.at(-1).data === {spoken}")
        events = page.evaluate("events")
        numbers = [event["data"] for event in events if event["type"] == "message"]
        assert numbers == list(range(1, spoken + 1))
        (back,) = [event for event in events if event["type"] == "reconnected"]
        assert back == {"type": "reconnected", "resumed": True}
        assert page.evaluate("states") == ["waiting", "connecting", "connected"]
        assert other.evaluate("heard.map(({ type }) => type)") == ["peers"]
        signal_server.wait_for("Client resumed: pc in room resumed")

    def test_what_is_sent_while_the_connection_is_away_arrives_after_it(
        self, signal_server: Server, user: Visitor, ways: Way
    ) -> None:
        other = blank(user, signal_server.url)
        begin(other, "window.heard = listen(await enter('b'));", room="away")
        page = blank(user, f"ws://127.0.0.1:{ways.port}")
        begin(page, "window.a = await enter('a');", room="away")
        ways.cut()
        page.wait_for_function("() => a.state === 'waiting'")
        page.evaluate("a.sendOffer('b', 'v=0'), a.sendMessage(1, 'b')")
        other.wait_for_function("() => heard.some(({ data }) => data === 1)")
        types = other.evaluate("heard.map(({ type }) => type)")
        assert types == ["peer_joined", "offer", "message"]

    def test_a_network_that_went_silent_is_noticed_within_seconds(
        self, user: Visitor, ways: Way
    ) -> None:
        page = blank(user, f"ws://127.0.0.1:{ways.port}")
        begin(
            page,
            """
            window.signal = await enter("silent", { pingIntervalMs: 300, pingTimeoutMs: 300 });
            window.events = listen(signal);
            """,
            room="silent",
        )
        ways.stall()
        page.wait_for_function("() => signal.state === 'waiting'")
        assert page.evaluate("signal.reason") == "The server does not answer."
        ways.flow()
        page.wait_for_function("() => signal.state === 'connected'")
        assert page.evaluate("events") == [
            {"type": "disconnected", "reason": "The server does not answer."},
            {"type": "reconnected", "resumed": True},
        ]

    def test_a_network_that_came_back_is_used_at_once(self, user: Visitor, ways: Way) -> None:
        page = blank(user, f"ws://127.0.0.1:{ways.port}")
        begin(page, "window.signal = await enter('wake');", room="wake")
        # With pings that are days apart, only the browser's word can wake it.
        begin(
            page,
            """
            window.sleepy = await enter("sleepy", { pingIntervalMs: 1e8 });
            window.events = listen(sleepy);
            """,
            room="wake",
        )
        ways.stall()
        page.context.set_offline(offline=True)
        page.context.set_offline(offline=False)
        page.wait_for_function("() => sleepy.state === 'waiting'")
        ways.flow()
        page.wait_for_function("() => events.some(({ type }) => type === 'reconnected')")

    def test_tries_are_further_and_further_apart_and_never_in_step(
        self, user: Visitor, tmp_path: Path
    ) -> None:
        with server(cwd=tmp_path) as started:
            page = blank(user, started.url)
            begin(
                page,
                """
                window.pauses = [];
                for (let count = 0; count < 3; count++) {
                    const signal = await enter(`c${count}`);
                    const mine = [];
                    pauses.push(mine);
                    signal.addEventListener("statechange", () => {
                        if (signal.state !== "waiting") return;
                        mine.push(signal.retryAt - performance.now());
                    });
                }
                """,
            )
            started.process.kill()
            page.wait_for_function("() => pauses.every((mine) => mine.length >= 4)")
        pauses = page.evaluate("pauses")
        for mine in pauses:
            for longest, pause in zip([500, 1000, 2000, 4000], mine, strict=False):
                assert longest / 2 - 5 <= pause <= longest
        assert len({mine[0] for mine in pauses}) == 3

    def test_a_server_that_goes_down_is_left_alone_for_as_long_as_it_asks(
        self, user: Visitor, tmp_path: Path
    ) -> None:
        with server(cwd=tmp_path) as started:
            page = blank(user, started.url)
            page.evaluate(
                """() => {
                    WebSocket = class extends WebSocket {
                        constructor(...options) {
                            super(...options);
                            this.addEventListener("message", ({ data }) => {
                                const { reconnect_in_ms: ms } = JSON.parse(data);
                                if (ms !== undefined) window.asked = performance.now() + ms;
                            });
                        }
                    };
                }"""
            )
            begin(
                page,
                """
                window.signal = await enter("a");
                signal.addEventListener("statechange", () => {
                    if (signal.state === "waiting") window.retryAt ??= signal.retryAt;
                });
                """,
            )
            started.stop()
            page.wait_for_function("() => window.retryAt !== undefined")
            assert page.evaluate("retryAt >= asked - 5")

    def test_after_a_restart_it_registers_afresh_and_is_told_who_came_and_went(
        self, user: Visitor, tmp_path: Path
    ) -> None:
        with server(cwd=tmp_path) as first:
            page = blank(user, first.url)
            begin(
                page,
                """
                raw({ type: "register", client_id: "old", room_id: room });
                window.signal = await enter("a");
                window.events = listen(signal);
                await until(() => signal.peers.has("old"));
                signal.addEventListener("statechange", () => {
                    // Somebody else is there first.
                    if (signal.state !== "connecting") return;
                    raw({ type: "register", client_id: "new", room_id: room, client_type: "pc" });
                });
                """,
                room="restarted",
            )
            first.process.kill()
            first.wait()
        with server("--port", str(urlsplit(first.url).port), cwd=tmp_path) as second:
            second.wait_for("Client registered: a ")
            page.wait_for_function("() => signal.peers.get('new') === 'pc'")
            events = [event for event in page.evaluate("events") if event["type"] != "peers"]
        assert [event["type"] for event in events[-4:] if event["type"] != "peer_joined"] == [
            "disconnected",
            "reconnected",
            "peer_left",
        ]
        assert {"type": "peer_joined", "peerId": "new", "clientType": "pc"} in events
        assert {"type": "peer_left", "peerId": "old"} in events

    def test_who_closes_leaves_at_once_and_keeps_no_place(
        self, signal_server: Server, page: Page
    ) -> None:
        run(page, "(await enter('leaver')).close();", room="leaving")
        signal_server.wait_for("Client left: leaver, room leaving")


class TestIceServers:
    def test_are_told_and_renewed_before_they_expire(self, user: Visitor, tmp_path: Path) -> None:
        (tmp_path / "turn").write_text("a secret that only the two servers know")
        options = (
            "--turn-uri",
            "turn:127.0.0.1:9",
            "--turn-secret-file",
            "turn",
            "--turn-ttl",
            "60",
        )
        with server("--stun-uri", "stun:127.0.0.1:9", *options, cwd=tmp_path) as started:
            page = blank(user, started.url)
            page.clock.install()
            begin(
                page,
                """
                window.signal = await enter("a");
                window.pc = new RTCPeerConnection();
                connectPeer(signal, pc);
                window.first = signal.iceServers;
                signal.addEventListener("iceservers", () => { window.second = signal.iceServers; });
                """,
            )
            page.clock.fast_forward(49_000)
            page.wait_for_function("() => window.second !== undefined")
            first, second, used = page.evaluate("[first, second, pc.getConfiguration().iceServers]")
        assert [entry["urls"] for entry in first] == [["stun:127.0.0.1:9"], ["turn:127.0.0.1:9"]]
        assert [entry["urls"] for entry in second] == [["stun:127.0.0.1:9"], ["turn:127.0.0.1:9"]]
        assert used[1]["username"] == second[1]["username"]
        assert used[1]["credential"] == second[1]["credential"]

    def test_there_may_be_none(self, page: Page) -> None:
        assert run(page, "return (await enter('no-ice')).iceServers;") == []


CALLS = """
    window.call = (signal, peerId, offer = null) => {
        const pc = new RTCPeerConnection();
        const made = { pc, texts: [], channel: null };
        pc.ondatachannel = ({ channel }) => {
            channel.onmessage = ({ data }) => made.texts.push(data);
        };
        made.open = (label) => {
            const channel = pc.createDataChannel(label);
            channel.onopen = () => channel.send(label);
            return channel;
        };
        made.call = connectPeer(signal, pc, { peerId, offer });
        return made;
    };
    /** Let two enter, and connect them from both sides. */
    window.pair = async (idA, idB) => {
        const [a, b] = [await enter(idA), await enter(idB)];
        return [call(a, idB), call(b, idA)];
    };
"""


class TestCalls:
    def test_one_side_offers_and_the_other_answers(self, page: Page) -> None:
        texts = run(
            page,
            CALLS
            + """
            const [a, b] = [await enter("a"), await enter("b")];
            const caller = call(a, "b");
            caller.open("hello");
            for await (const event of b) {
                if (event.type !== "offer") continue;
                const callee = call(b, event.peerId, event);
                await until(() => callee.texts.length);
                return callee.texts;
            }
            """,
            room="one-side",
        )
        assert texts == ["hello"]

    def test_whoever_is_first_in_the_room_is_called_where_nobody_is_named(self, page: Page) -> None:
        found = run(
            page,
            CALLS
            + """
            const a = await enter("a");
            const caller = call(a, null);
            caller.open("hello");
            const b = await enter("b");
            const callee = call(b, null);
            await until(() => callee.texts.length);
            return [caller.call.peerId, callee.call.peerId];
            """,
            room="first",
        )
        assert found == ["b", "a"]

    @pytest.mark.parametrize("ids", [["a", "b"], ["b", "a"], ["a", "ab"], ["\uffee", "😀"]])
    def test_both_may_offer_at_once(self, page: Page, ids: list[str]) -> None:
        found = run(
            page,
            CALLS
            + """
            const [one, other] = await pair(...ids);
            let offers = 0;
            for (const { pc } of [one, other]) {
                pc.addEventListener("signalingstatechange", () => {
                    if (pc.signalingState === "have-local-offer") offers++;
                });
            }
            one.open("from one");
            other.open("from other");
            await until(() => one.texts.length && other.texts.length);
            await until(() => [one, other].every(({ pc }) => pc.signalingState === "stable"));
            return [one.texts, other.texts, offers >= 2];
            """,
            room=f"glare-{'-'.join(ids)}",
            ids=ids,
        )
        assert found == [["from other"], ["from one"], True]

    def test_both_go_on_offering_at_once_and_all_arrives(self, page: Page) -> None:
        """Transceivers are added on both sides in the same moment, again and again."""
        found = run(
            page,
            CALLS
            + """
            const [one, other] = await pair("a", "b");
            let failure = null;
            for (const { call } of [one, other]) {
                call.ended.then((how) => { failure = String(how); });
            }
            for (let round = 0; round < 3; round++) {
                one.pc.addTransceiver("video", { direction: "sendonly" });
                other.pc.addTransceiver("video", { direction: "sendonly" });
                await new Promise((resolve) => setTimeout(resolve, Math.random() * 20));
            }
            const settled = ({ pc }) => pc.signalingState === "stable"
                && pc.getTransceivers().length === 6
                && pc.getTransceivers().every(({ mid }) => mid !== null);
            await until(() => failure || (settled(one) && settled(other)));
            return failure;
            """,
            room="glare-again",
        )
        assert found is None

    def test_ice_is_restarted_and_the_call_goes_on(self, page: Page) -> None:
        found = run(
            page,
            CALLS
            + """
            const [one, other] = await pair("a", "b");
            const channel = one.open("first");
            await until(() => other.texts.length);
            const name = ({ pc }) => /ice-ufrag:(.*)/.exec(pc.currentLocalDescription.sdp)[1];
            const before = [name(one), name(other)];
            one.pc.restartIce();
            other.pc.restartIce();
            await until(() => name(one) !== before[0] && name(other) !== before[1]
                && one.pc.signalingState === "stable" && other.pc.signalingState === "stable");
            channel.send("second");
            await until(() => other.texts.length === 2);
            return other.texts;
            """,
            room="ice",
        )
        assert found == ["first", "second"]

    def test_a_peer_that_begins_anew_ends_the_call_and_its_offer_comes_out(
        self, page: Page
    ) -> None:
        found = run(
            page,
            CALLS
            + """
            const [a, b] = [await enter("a"), await enter("b")];
            const callee = call(b, "a");
            const first = call(a, "b");
            first.open("first");
            await until(() => callee.texts.length);
            first.call.close();
            const second = call(a, "b");
            second.open("second");
            for await (const event of b) {
                if (event.type !== "offer") continue;
                const anew = call(b, "a", event);
                await until(() => anew.texts.length);
                return [await callee.call.ended, await first.call.ended, anew.texts];
            }
            """,
            room="anew",
        )
        assert found == ["renewed", "closed", ["second"]]

    def test_an_offer_that_a_dying_server_took_along_is_made_again(
        self, user: Visitor, tmp_path: Path
    ) -> None:
        with server(cwd=tmp_path) as first:
            page = blank(user, first.url)
            begin(
                page,
                CALLS
                + """
                raw({ type: "register", client_id: "b", room_id: room }); // hears, and says nothing
                const a = await enter("a");
                window.caller = call(a, "b");
                caller.open("hello");
                await until(() => caller.pc.signalingState === "have-local-offer");
                window.late = async () => {
                    const b = await enter("b");
                    window.callee = call(b, "a");
                };
                """,
                room="unanswered",
            )
            first.wait_for("Relayed offer from a to b")
            first.process.kill()
            first.wait()
        with server("--port", str(urlsplit(first.url).port), cwd=tmp_path) as second:
            second.wait_for("Client registered: a ")
            page.evaluate("late()")
            page.wait_for_function("() => callee.texts.length")

    @pytest.mark.parametrize("lost", ["offer", "answer"])
    def test_a_call_comes_about_though_what_it_needs_is_lost_with_the_connection(
        self, signal_server: Server, user: Visitor, ways: Way, lost: str
    ) -> None:
        """The browser takes what is sent; the way swallows it and ends."""
        other = blank(user, signal_server.url)
        page = blank(user, f"ws://127.0.0.1:{ways.port}")
        room = f"lost-{lost}"
        begin(page, CALLS + "window.a = await enter('a');", room=room)
        begin(
            other, CALLS + "window.b = await enter('b'); window.answerer = call(b, 'a');", room=room
        )
        other.evaluate(
            "answerer.pc.addEventListener('signalingstatechange', () => { window.heard = true; })"
        )
        if lost == "offer":
            ways.stall()
        page.evaluate("window.caller = call(a, 'b'); caller.open('hello'); null")
        if lost == "answer":
            page.wait_for_function("() => caller.pc.signalingState !== 'new'")
            ways.stall()
        ways.cut()
        ways.flow()
        other.wait_for_function("() => answerer.texts.length")
        assert other.evaluate("answerer.texts") == ["hello"]


def test_pages_of_other_origins_may_import_it(signal_server: Server, browser: Browser) -> None:
    host = urlsplit(signal_server.url).netloc
    # A name is another origin than an address; the page's own policy would be in the way.
    with visitor(browser, bypass_csp=True) as user:
        page = user.open(f"http://signal.test:{urlsplit(signal_server.url).port}/healthz")
        peers = page.evaluate(
            """async (host) => {
                const { connect } = await import(`http://${host}/client.js`);
                const signal = await connect(`ws://${host}`, { room: "elsewhere", clientId: "a" });
                return [signal.state, signal.peers.size];
            }""",
            host,
        )
    assert peers == ["connected", 0]


def test_the_types_are_right(tmp_path: Path) -> None:
    compiler = shutil.which("tsc")
    if compiler is None:
        pytest.skip("TypeScript (tsc) is not installed")
    for name in ("client.js", "client.d.ts"):
        shutil.copy(STATIC / name, tmp_path)
    (tmp_path / "use.mts").write_text(USE)
    options = ("--noEmit", "--strict", "--target", "es2022", "--module", "nodenext")
    done = subprocess.run(
        [compiler, *options, "--lib", "es2022,dom", "use.mts"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == ""


USE = """
import { connect, connectPeer, Signal, SignalError, type Offer } from "./client.js";

const options = { room: "lab1", clientType: "pc", timeoutMs: 5 };
const signal: Signal = await connect("wss://host", options);
signal.addEventListener("event", ({ detail }) => {
  if (detail.type === "message") signal.sendMessage(5, detail.peerId);
});
try {
  for await (const event of signal) {
    if (event.type === "offer") {
      const offer: Offer = event;
      const call = connectPeer(signal, new RTCPeerConnection(), { peerId: event.peerId, offer });
      const how: "renewed" | "closed" | Error = await call.ended;
    } else if (event.type === "reconnected") {
      const resumed: boolean = event.resumed;
    }
    // @ts-expect-error: there is no such event
    if (event.type === "nothing") signal.close();
  }
} catch (error) {
  if (error instanceof SignalError && error.code === "unauthorized") signal.close();
}
"""


def test_the_types_name_all_that_the_module_exports() -> None:
    exported = set(
        re.findall(
            r"^export (?:async )?(?:class|function|const) (\w+)",
            (STATIC / "client.js").read_text(),
            re.MULTILINE,
        )
    )
    declared = set(
        re.findall(
            r"^export (?:class|function|const) (\w+)",
            (STATIC / "client.d.ts").read_text(),
            re.MULTILINE,
        )
    )
    assert exported == declared
