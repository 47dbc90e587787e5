"""The pages in a real browser: a phone's and a PC's meet, or say why they do not."""

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from browser import Browser, Page, Visitor, expect, tls_origin, visitor
from processes import PATIENCE, ROOT, Server, running, server
from tokens import SECRET as TOKEN_SECRET
from tokens import by_secret
from turn_server import turn_server
from ways import Way, way

MOVE = """() => {
    let count = 0;
    setInterval(() => {
        const t = ++count / 60;
        dispatchEvent(new DeviceMotionEvent("devicemotion", {
            accelerationIncludingGravity:
                { x: 2 * Math.sin(3 * t), y: Math.cos(2 * t), z: 9.8 + 0.4 * Math.sin(7 * t) },
            rotationRate: { alpha: 40 * Math.sin(3 * t), beta: 25 * Math.cos(4 * t), gamma: 12 },
            interval: 16,
        }));
    }, 16);
}"""
"""Moves the phone: a browser without sensors gets the events that sensors would cause."""

FRAMES = "document.querySelector('video').getVideoPlaybackQuality().totalVideoFrames"


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with https, as phones need it."""
    with server(*TLS, cwd=tmp_path_factory.mktemp("server")) as started:
        yield started


TLS = ("--self-signed", "--state-dir", "state", "--tls-port", "0")


@pytest.fixture
def pc(browser: Browser) -> Iterator[Visitor]:
    with visitor(browser) as made:
        yield made
        assert made.complaints == []


@pytest.fixture
def phone(browser: Browser) -> Iterator[Visitor]:
    with visitor(browser, phone=True) as made:
        yield made
        assert made.complaints == []


def open_pc(pc: Visitor, origin: str, room: str, **values: str) -> Page:
    rest = "".join(f"&{name}={value}" for name, value in values.items())
    page = pc.open(f"{origin}/demo/pc#room={room}{rest}")
    expect(page.locator("#state")).to_have_text(
        re.compile("^Waiting for a phone$|is here|^One phone$")
    )
    return page


def start_phone(phone: Visitor, origin: str, room: str, name: str = "phone1") -> Page:
    page = phone.open(f"{origin}/demo/phone#room={room}&id={name}")
    page.get_by_role("button", name="Start").click()
    return page


def live(page: Page, name: str = "phone1") -> None:
    """Wait until the PC's page shows a phone, and frames that it has decoded."""
    panel = page.get_by_role("article", name=name)
    expect(panel.get_by_role("status")).to_have_text("Live")
    goes_on(page)


def goes_on(page: Page) -> None:
    """Wait until more frames are decoded than are now."""
    page.wait_for_function(f"before => {FRAMES} > before + 5", arg=page.evaluate(FRAMES))


class TestAPhoneAndAPc:
    def test_video_frames_are_decoded_in_the_size_in_which_they_are_sent(
        self, secure: Server, pc: Visitor, phone: Visitor
    ) -> None:
        origin = tls_origin(secure)
        watching = open_pc(pc, origin, "video")
        sending = start_phone(phone, origin, "video")
        live(watching)

        assert secure.wait_for(r"Connected: .*, path /")
        assert origin.startswith("https:")
        # The sender adapts the size to the machine; what it says it sends is what arrives.
        camera = sending.evaluate(
            "document.querySelector('video').srcObject.getVideoTracks()[0].getSettings()"
        )
        assert (camera["width"], camera["height"]) == (1280, 720)
        sizes = "[video.videoWidth, video.videoHeight]"
        width, height = watching.evaluate(f"(video => {sizes})(document.querySelector('video'))")
        assert width >= 320
        assert abs(width / height - 16 / 9) < 0.05
        expect(watching.locator('[data-figure="resolution"]')).to_have_text(
            re.compile(r"^\d{3,4} × \d{3}$")
        )
        watching.wait_for_function(
            """() => {
                const video = document.querySelector("video");
                const shown = document.querySelector('[data-figure="resolution"]').textContent;
                return shown === `${video.videoWidth} × ${video.videoHeight}`;
            }"""
        )
        for name, form in (
            ("frames", r"^\d+ /s$"),
            ("round-trip", r"^\d+ ms$"),
            ("bit-rate", r"^\d+\.\d Mbit/s$"),
            ("way", "^direct$"),
        ):
            expect(watching.locator(f'[data-figure="{name}"]')).to_have_text(re.compile(form))
        expect(sending.locator("#state")).to_have_text(re.compile(r"^Sending to pc-\w{4}\.$"))
        expect(sending.locator("#resolution")).to_have_text(re.compile(r"^\d{3,4} × \d{3}$"))
        expect(sending.locator("#awake")).to_have_text("stays on")

    def test_motion_samples_arrive_and_are_plotted(
        self, secure: Server, pc: Visitor, phone: Visitor
    ) -> None:
        origin = tls_origin(secure)
        watching = open_pc(pc, origin, "motion")
        expect(watching.locator("canvas")).to_have_count(0)
        sending = start_phone(phone, origin, "motion")
        live(watching)
        expect(watching.locator(".no-motion")).to_be_visible()
        sending.evaluate(MOVE)

        expect(watching.locator(".acceleration .z")).to_have_text(re.compile(r"^z (9|10)\.\d$"))
        expect(watching.locator(".rotation .z")).to_have_text("z 0.2")  # 12 degrees a second
        expect(watching.locator(".no-motion")).to_be_hidden()
        expect(watching.locator('[data-figure="samples"]')).to_have_text(re.compile(r"^\d\d /s$"))
        # A picture with curves in it takes more bytes than an empty one.
        painted = """() => [...document.querySelectorAll("canvas")]
            .every((canvas) => canvas.toDataURL().length > 4000)"""
        watching.wait_for_function(painted)

    def test_one_phone_after_another_is_shown_and_taken_away(
        self, secure: Server, browser: Browser, pc: Visitor, phone: Visitor
    ) -> None:
        origin = tls_origin(secure)
        watching = open_pc(pc, origin, "several")
        first = start_phone(phone, origin, "several", "one")
        live(watching, "one")
        with visitor(browser, phone=True) as somebody:
            start_phone(somebody, origin, "several", "two")
            live(watching, "two")
            expect(watching.locator("#state")).to_have_text("2 phones")
            first.get_by_role("button", name="Stop").click()
            expect(watching.get_by_role("article", name="one")).to_have_count(0)
            expect(watching.locator("#state")).to_have_text("One phone")
        expect(watching.locator("#state")).to_have_text("two has left. Waiting for a phone")
        expect(watching.get_by_role("img", name="QR code")).to_be_visible()
        first.get_by_role("button", name="Start").click()
        live(watching, "one")

    def test_the_phone_calls_again_when_the_pcs_page_is_loaded_anew(
        self, secure: Server, pc: Visitor, phone: Visitor
    ) -> None:
        origin = tls_origin(secure)
        watching = open_pc(pc, origin, "reload-pc")
        sending = start_phone(phone, origin, "reload-pc")
        live(watching)
        watching.reload()
        live(watching)
        expect(sending.locator("#state")).to_have_text(re.compile("^Sending to pc-"))

    def test_the_pc_waits_for_the_phone_whose_page_is_loaded_anew(
        self, secure: Server, pc: Visitor, phone: Visitor
    ) -> None:
        origin = tls_origin(secure)
        watching = open_pc(pc, origin, "reload-phone")
        sending = start_phone(phone, origin, "reload-phone")
        live(watching)
        sending.reload()
        expect(watching.get_by_role("article")).to_have_count(0)
        sending.get_by_role("button", name="Start").click()
        live(watching)

    def test_a_phone_waits_until_there_is_a_pc(
        self, secure: Server, pc: Visitor, phone: Visitor
    ) -> None:
        origin = tls_origin(secure)
        sending = start_phone(phone, origin, "first")
        expect(sending.locator("#state")).to_have_text(
            re.compile("^Waiting for a PC in room first")
        )
        watching = open_pc(pc, origin, "first")
        live(watching)


@contextmanager
def example(name: str, url: str, *options: str) -> Iterator[None]:
    with running(sys.executable, ROOT / "examples" / name, "--url", url, *options) as process:
        yield
        assert "Traceback" not in process.output


class TestOthers:
    @pytest.fixture(autouse=True)
    def _with_aiortc(self) -> None:
        pytest.importorskip("aiortc", reason="aiortc is not installed")

    @pytest.mark.parametrize("dialect", [[], ["--app"]], ids=["readme", "app"])
    @pytest.mark.parametrize("first", ["page", "phone"])
    def test_the_pcs_page_shows_what_a_program_sends(
        self, secure: Server, pc: Visitor, dialect: list[str], first: str
    ) -> None:
        room = f"aiortc-{first}-{len(dialect)}"
        options = ("--room", room, "--id", "phone1", *dialect)
        if first == "page":
            watching = open_pc(pc, tls_origin(secure), room)
            with example("phone.py", secure.url, *options):
                self.check_shown(watching)
        else:
            with example("phone.py", secure.url, *options):
                secure.wait_for(rf"Client registered: phone1 \(android\) in room {room}")
                self.check_shown(open_pc(pc, tls_origin(secure), room))

    def check_shown(self, watching: Page) -> None:
        live(watching)
        watching.wait_for_function("document.querySelector('video').videoWidth === 640")
        expect(watching.locator(".acceleration .z")).to_have_text("z 9.8")
        expect(watching.locator('[data-figure="way"]')).to_have_text("direct")

    def test_a_program_receives_what_the_phones_page_sends(
        self, secure: Server, phone: Visitor
    ) -> None:
        wanted = ("--frames", "15", "--samples", "50", "--timeout", str(PATIENCE))
        command = (sys.executable, ROOT / "examples" / "pc.py", "--url", secure.url)
        with running(*command, "--room", "to-aiortc", *wanted) as receiver:
            secure.wait_for(r"Client registered: pc \(pc\) in room to-aiortc")
            sending = start_phone(phone, tls_origin(secure), "to-aiortc")
            expect(sending.locator("#state")).to_have_text("Sending to pc.")
            sending.evaluate(MOVE)
            assert receiver.wait() == 0, receiver.output
            sample = json.loads(receiver.wait_for("^Last sample: (.*)$")[1])
        assert 9 < sample["acc_z"] < 11
        assert sample["gyro_z"] == pytest.approx(0.20944, abs=1e-5)
        assert sample["timestamp_ns"] > 1.7e18


class TestTrouble:
    def test_a_call_goes_on_while_the_server_is_restarted(
        self, browser: Browser, phone: Visitor, tmp_path: Path
    ) -> None:
        with visitor(browser) as pc, server(*TLS, cwd=tmp_path) as first:
            origin = tls_origin(first)
            watching = open_pc(pc, origin, "restart")
            sending = start_phone(phone, origin, "restart")
            live(watching)
            first.process.kill()
            first.wait()
            expect(watching.locator("#state")).to_have_text(
                re.compile(r"^The server cannot be reached\. .* Calls go on meanwhile\.$")
            )
            expect(sending.locator("#state")).to_have_text(
                re.compile(r"^Sending to pc-\w{4}\. The server is away; that does no harm")
            )
            goes_on(watching)
            port = ("--tls-port", str(urlsplit(origin).port))
            with server(*TLS, *port, cwd=tmp_path):
                expect(watching.locator("#state")).to_have_text("One phone")
                expect(sending.locator("#state")).to_have_text(
                    re.compile(r"^Sending to pc-\w{4}\.$")
                )
                live(watching)
                sending.get_by_role("button", name="Stop").click()
                expect(watching.get_by_role("article")).to_have_count(0)
            for one in (pc, phone):
                assert one.complaints_but("WebSocket connection to .* failed") == []
                one.complaints.clear()

    def test_a_phone_comes_back_by_itself_after_five_seconds_without_a_network(
        self, browser: Browser, phone: Visitor, tmp_path: Path
    ) -> None:
        """All that the phone has is cut: the pages may use relays only, the phone's is reached by
        TCP, and that and the WebSocket pass through ways that let nothing pass for 5 s. What
        happened within the radio, such as another address afterwards, is not played here.
        """
        secret = "a secret that only the two servers know"
        (tmp_path / "turn").write_text(secret)
        relay_only = """
            const Original = RTCPeerConnection;
            RTCPeerConnection = class extends Original {
                constructor(options) { super({ ...options, iceTransportPolicy: "relay" }); }
            };"""
        with turn_server(secret, tmp_path) as coturn, visitor(browser) as pc:
            turn_port = int(coturn.uri.split(":")[2].partition("?")[0])
            with way(turn_port) as media:
                turn = f"turn:127.0.0.1:{media.port}?transport=tcp"
                options = ("--turn-uri", turn, "--turn-secret-file", "turn")
                with (
                    server(*TLS, *options, cwd=tmp_path) as started,
                    way(urlsplit(tls_origin(started)).port or 0) as signaling,
                ):
                    phone.context.add_init_script(relay_only)
                    watching = open_pc(pc, tls_origin(started), "cut")
                    sending = start_phone(phone, f"https://127.0.0.1:{signaling.port}", "cut")
                    live(watching)
                    expect(watching.locator('[data-figure="way"]')).to_have_text("by TURN")
                    self.stall(media, signaling, sending)
                    live(watching)
                    expect(sending.locator("#state")).to_have_text(
                        re.compile(r"^Sending to pc-\w{4}\.$")
                    )
            for one in (pc, phone):
                assert one.complaints_but("WebSocket .*failed|ERR_INTERNET_DISCONNECTED") == []
                one.complaints.clear()

    def stall(self, media: Way, signaling: Way, page: Page) -> None:
        """Cut a page off for 5 s; the browser hears of it as a phone's does."""
        page.context.set_offline(offline=True)
        media.stall()
        signaling.stall()
        page.wait_for_timeout(5_000)  # the time is what is tested
        for one in (media, signaling):
            one.cut()  # a network that comes back has forgotten its connections
            one.flow()
        page.context.set_offline(offline=False)

    def test_a_missing_or_wrong_token_is_said_in_words_and_can_be_mended(
        self, pc: Visitor, phone: Visitor, tmp_path: Path
    ) -> None:
        (tmp_path / "secret").write_bytes(TOKEN_SECRET)
        token = by_secret({"exp": 4_000_000_000, "room": "lab1"})
        wrong = by_secret({"exp": 4_000_000_000, "room": "other"})
        with server(*TLS, "--auth-secret-file", "secret", cwd=tmp_path) as started:
            origin = tls_origin(started)
            watching = pc.open(f"{origin}/demo/pc#room=lab1")
            expect(watching.get_by_role("alert")).to_have_text(
                "This server lets in only who shows a token. Enter yours below."
            )
            expect(watching.locator("#state")).to_have_text("Not connected")
            watching.get_by_label("Token").fill(token)
            watching.get_by_role("button", name="Enter the room").click()
            expect(watching.locator("#state")).to_have_text("Waiting for a phone")
            expect(watching.get_by_role("alert")).to_be_hidden()

            sending = phone.open(f"{origin}/demo/phone#room=lab1&id=phone1&token={wrong}")
            sending.get_by_role("button", name="Start").click()
            expect(sending.get_by_role("alert")).to_have_text(
                re.compile(r"^This token is for something else\. ")
            )
            sending.get_by_label("Token").fill(token)
            sending.get_by_role("button", name="Start").click()
            live(watching)
            assert watching.get_by_role("link", name=f"{origin}/demo/phone").count() == 0

    def test_a_server_that_is_gone_is_said_in_words(self, browser: Browser, tmp_path: Path) -> None:
        with visitor(browser) as pc:
            with server(cwd=tmp_path) as started:
                origin = started.url.replace("ws:", "http:")
                watching = open_pc(pc, origin, "gone")
                start = pc.open(origin + "/")
                expect(start.locator("#server")).to_have_text("The server runs")
            expect(watching.locator("#state")).to_have_text(re.compile(r"Next try in \d+ s\.$"))
            expect(start.locator("#server")).to_have_text("The server does not answer")
            assert pc.complaints_but("ERR_CONNECTION_REFUSED") == []

    @pytest.mark.parametrize(
        ("error", "words"),
        [
            ("NotAllowedError", "The camera is not allowed."),
            ("NotFoundError", "This device has no camera"),
            ("NotReadableError", "Another app has the camera."),
        ],
    )
    def test_what_is_wrong_with_the_camera_is_said_in_words(
        self, secure: Server, phone: Visitor, error: str, words: str
    ) -> None:
        phone.context.add_init_script(
            f"MediaDevices.prototype.getUserMedia = async () => {{"
            f" throw new DOMException('no', '{error}'); }};"
        )
        page = start_phone(phone, tls_origin(secure), "camera")
        expect(page.get_by_role("alert")).to_have_text(re.compile(f"^{re.escape(words)}"))
        expect(page.get_by_role("button", name="Start")).to_be_enabled()

    def test_motion_that_is_not_allowed_is_said_and_the_camera_is_sent(
        self, secure: Server, pc: Visitor, phone: Visitor
    ) -> None:
        phone.context.add_init_script(
            "DeviceMotionEvent.requestPermission = async () => 'denied';"  # as iOS has it
        )
        watching = open_pc(pc, tls_origin(secure), "no-motion")
        page = start_phone(phone, tls_origin(secure), "no-motion")
        live(watching)
        expect(page.locator("#motion-note")).to_have_text(
            re.compile("^Motion sensors are not allowed")
        )
        expect(page.locator("#samples")).to_have_text("off")

    def test_a_phone_that_came_without_https_is_led_there(
        self, browser: Browser, tmp_path: Path
    ) -> None:
        with server(*TLS, cwd=tmp_path) as started, visitor(browser, phone=True) as phone:
            # A browser trusts pages of its own machine; this name is of another one for it.
            port = urlsplit(started.url).port
            page = phone.open(f"http://signal.test:{port}/demo/phone#room=lab1&id=phone1")
            expect(page.get_by_role("alert")).to_have_text(
                re.compile("^Browsers give the camera to https pages only.")
            )
            link = page.get_by_role("link", name="Open by https")
            expect(link).to_have_attribute(
                "href", re.compile(r"^https://[\d.]+:\d+/demo/phone#room=lab1&id=phone1$")
            )
            expect(page.get_by_role("button", name="Start")).to_be_hidden()
            assert phone.complaints == []


class TestTheLinkForThePhone:
    @pytest.mark.parametrize("path", ["/", "/demo/pc"])
    def test_is_by_the_name_that_the_page_was_opened_by_where_a_phone_can_use_it(
        self, secure: Server, pc: Visitor, path: str
    ) -> None:
        origin = f"https://signal.test:{urlsplit(tls_origin(secure)).port}"
        page = pc.open(origin + path)
        picture = page.get_by_role("img", name="QR code")
        expect(picture).to_have_attribute("src", re.compile("^/demo/qr"))
        link = unquote((picture.get_attribute("src") or "").partition("link=")[2])
        assert link.startswith(f"{origin}/demo/phone#room=")

    def test_is_that_of_the_network_where_the_page_is_of_this_machine(
        self, secure: Server, pc: Visitor
    ) -> None:
        page = pc.open(f"{tls_origin(secure)}/demo/pc")
        links = page.evaluate("fetch('/demo/links.json').then((response) => response.json())")
        link = page.locator("#link")
        expect(link).to_have_attribute("href", re.compile("#room="))
        assert (link.get_attribute("href") or "").partition("#")[0] == links["phone"][0]


class TestTheStartPage:
    def test_leads_to_both_pages_in_one_room(self, secure: Server, pc: Visitor) -> None:
        page = pc.open(tls_origin(secure) + "/")
        expect(page.get_by_role("status")).to_have_text("The server runs")
        expect(page.get_by_role("img", name="QR code")).to_be_visible()
        rooms = {
            page.get_by_role("link", name=name).get_attribute("href").partition("#")[2]  # type: ignore[union-attr] # it has one
            for name in ("Watch on this PC", "Send from this phone")
        }
        (room,) = rooms
        assert re.fullmatch(r"room=[a-z]+-[a-z]+-\w{2}", room)
        picture = page.get_by_role("img", name="QR code").get_attribute("src") or ""
        assert room in unquote(picture)
        page.get_by_role("link", name="Watch on this PC").click()
        expect(page.locator("#room")).to_have_text(room.removeprefix("room="))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("state", ["start", "pc", "phone", "call"])
def test_the_pages_can_be_used_by_all(
    secure: Server, browser: Browser, scheme: str, state: str
) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe is not installed"
    )
    origin = tls_origin(secure)
    room = f"axe-{state}-{scheme}"
    with (
        visitor(browser, color_scheme=scheme) as pc,
        visitor(browser, phone=True, color_scheme=scheme) as phone,
    ):
        pages = []
        if state == "start":
            pages = [pc.open(origin + "/"), phone.open(origin + "/")]
        if state in ("pc", "call"):
            pages.append(open_pc(pc, origin, room))
        if state == "phone":
            pages.append(phone.open(f"{origin}/demo/phone#room={room}"))
        if state == "call":
            pages.append(start_phone(phone, origin, room))
            pages[-1].evaluate(MOVE)
            live(pages[0])
            expect(pages[0].locator(".acceleration")).to_be_visible()
        for page in pages:
            found = axe.Axe().run(page)
            assert found.violations_count == 0, found.generate_report()
        assert pc.complaints + phone.complaints == []
