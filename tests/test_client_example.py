"""Runs the example of docs/clients.md for Python, as it stands, and as it says for Twisted."""

import asyncio
import re
import sys
from pathlib import Path

import pytest
from processes import PATIENCE, ROOT, Server, running

from twisted_signal.client.asyncio import connect
from twisted_signal.client.events import Message

PAGE = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
EXAMPLE, *OTHERS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
ON_TWISTED = "task.react(lambda reactor: Deferred.fromCoroutine(main()))"


@pytest.mark.parametrize("shell", ["asyncio", "twisted"])
def test_the_example_for_python_greets_a_peer_and_prints_what_it_says(
    signal_server: Server, tmp_path: Path, shell: str
) -> None:
    code = EXAMPLE.replace("ws://127.0.0.1:8765", signal_server.url).replace("lab1", shell)
    if shell == "twisted":
        assert ON_TWISTED in PAGE
        code = (
            code.replace(
                "import asyncio\n",
                "from twisted.internet import task\nfrom twisted.internet.defer import Deferred\n",
            )
            .replace("client.asyncio", "client.twisted")
            .replace("asyncio.run(main())", ON_TWISTED)
        )
    path = tmp_path / "example.py"
    path.write_text(code, encoding="utf-8")

    async def visit() -> object:
        async with connect(
            signal_server.url, room=shell, client_id="phone", client_type="android"
        ) as phone:
            await phone.send_message("I am here", "pc")
            async for event in phone:
                if isinstance(event, Message):
                    return event
        return None

    with running(sys.executable, path) as example:
        signal_server.wait_for(f"Client registered: pc .* in room {shell}")
        greeting = asyncio.run(asyncio.wait_for(visit(), PATIENCE))
        assert greeting == Message("pc", "Hello, android")
        example.wait_for("^phone says 'I am here'$")


def test_the_example_with_aiortc_sends_a_picture(signal_server: Server, tmp_path: Path) -> None:
    pytest.importorskip("aiortc", reason="aiortc is not installed")
    (code,) = (one for one in OTHERS if "import connect_peer" in one)
    path = tmp_path / "example.py"
    path.write_text(code.replace("ws://127.0.0.1:8765", signal_server.url), encoding="utf-8")
    options = ("--url", signal_server.url, "--frames", "5", "--timeout", str(PATIENCE))

    with (
        running(sys.executable, ROOT / "examples" / "pc.py", *options) as receiver,
        running(sys.executable, path) as example,
    ):
        assert receiver.wait() == 0, receiver.output
        assert example.wait() == 0, example.output
