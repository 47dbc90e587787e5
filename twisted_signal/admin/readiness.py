"""Whether the server can take clients: named checks, to which a part of it may add its own."""

from collections.abc import Callable
from typing import Annotated

from msgspec import Meta, Struct

from twisted_signal.service import SignalService

Check = Callable[[], str | None]
"""Returns None where all is well, else a sentence without a full stop that says what is not."""


class ReadyView(Struct, frozen=True):
    """Whether the server can take clients, and what keeps it from that."""

    ready: bool
    reasons: Annotated[
        dict[str, str], Meta(description="A sentence for each check that fails, by its name.")
    ]


class Readiness:
    """The checks.

    Attributes:
        checks: by name, in the order they are told. Each is cheap, as probes ask often.
    """

    def __init__(self, service: SignalService) -> None:
        """Begin with what holds for any server. `service`: the server."""
        self.checks: dict[str, Check] = {
            "draining": lambda: (
                "The server is stopping and takes nobody any more" if service.is_draining else None
            ),
            "listening": lambda: (
                None
                if service.is_listening or service.is_draining
                else "The server does not listen at all of its places"
            ),
        }

    def view(self) -> ReadyView:
        """Return what the checks say now."""
        found = {name: check() for name, check in self.checks.items()}
        reasons = {name: said for name, said in found.items() if said is not None}
        return ReadyView(not reasons, reasons)
