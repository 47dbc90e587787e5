"""`vislam-signal calls`: prints what happened between clients, and why they do not connect."""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

from twisted_signal.admin_client import AdminClient, AdminError, add_options, from_options
from twisted_signal.figures import duration, later
from twisted_signal.text import printable

DESCRIPTION = "Print the calls that the server has seen, the latest last, each with its diagnosis."

_PAGE = 100


def run(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Print the calls that the arguments ask for.

    Args:
        parser: takes the options; its `error` ends the process.
        arguments: without the command's name.

    Raises:
        SystemExit: an argument is wrong, or asks for help; or the server cannot be asked.
    """
    add_options(parser)
    parser.add_argument("--room", metavar="NAME", help="only those in this room")
    parser.add_argument(
        "--problems", action="store_true", help="only those that something is wrong with"
    )
    parser.add_argument("--json", action="store_true", help="as a JSON array, as the API has them")
    options = parser.parse_args(arguments)
    client = from_options(parser, options)
    try:
        calls = list(_calls(client, options.room, problems_only=options.problems))
    except AdminError as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    calls.reverse()
    if options.json:
        json.dump(calls, sys.stdout, indent=2)
        sys.stdout.write("\n")
    elif not calls:
        sys.stdout.write("No calls.\n")
    else:
        now_ms = time.time_ns() // 1_000_000
        sys.stdout.write("\n\n".join("\n".join(call_lines(call, now_ms)) for call in calls) + "\n")


def _calls(client: AdminClient, room: str | None, *, problems_only: bool) -> Iterator[Any]:
    """Yield the calls, the latest first; say on stderr which nodes do not tell of theirs."""
    seen = set()
    silent = set()
    offset = 0
    while True:
        page = client.get(
            "/api/v1/calls",
            room=room,
            problems=1 if problems_only else None,
            offset=offset,
            limit=_PAGE,
        )
        for node in page["missing_nodes"]:
            if node not in silent:
                silent.add(node)
                sys.stderr.write(f"{printable(node)} does not answer: its calls are left out.\n")
        for call in page["items"]:
            # One that began meanwhile moves the others to where they are found again.
            if call["key"] not in seen:
                seen.add(call["key"])
                yield call
        offset += _PAGE
        if offset >= page["total"]:
            return


def peers_of(call: Any) -> str:
    """Return who a call is between, such as `phone1 → pc`."""
    names = [printable(peer["client_id"]) for peer in call["peers"]]
    return " → ".join(names if len(names) > 1 else [*names, "nobody"])


def call_lines(call: Any, now_ms: int) -> list[str]:
    """Return a call as lines of text: who and when, the diagnosis, and a line for each step.

    Args:
        call: a `diagnosis.CallView`, from JSON.
        now_ms: the time, in milliseconds since 1970.
    """
    began = time.strftime("%H:%M:%S", time.localtime(call["started_at_ms"] / 1000))
    ago = duration((now_ms - call["last_step_at_ms"]) / 1000)
    lines = [
        f"{peers_of(call)}, room {printable(call['room_id'])}, began {began}, last step {ago} ago"
    ]
    diagnosis = call["diagnosis"]
    if diagnosis is None:
        lines.append("  · Too early to tell.")
    else:
        mark = "✗" if diagnosis["is_problem"] else "✓"
        lines.append(f"  {mark} {printable(diagnosis['sentence'])}")
    lines += step_lines(call)
    if call["steps_left_out"]:
        lines.append(f"    {call['steps_left_out']} more steps are not kept")
    return lines


def step_lines(call: Any) -> Iterator[str]:
    """Yield a line for each step of a call: when, who, and what."""
    who = {step["by"] or "" for step in call["steps"]}
    width = max((len(printable(name)) for name in who), default=0)
    for step in call["steps"]:
        at = later(step["at_ms"], call["started_at_ms"])
        what = step["kind"].replace("_", " ")
        if step["detail"]:
            what += f": {printable(step['detail'])}"
        yield f"    {at:>10}  {printable(step['by'] or ''):<{width}}  {printable(what)}"
