"""`vislam-signal check-config`: what a server would be run with, and whether it could be."""

from collections.abc import Sequence

from twisted_signal import __version__
from twisted_signal.config.rendering import rendered
from twisted_signal.options import Options


def run(arguments: Sequence[str]) -> str:
    """Check options as a server would, without listening and without writing anything.

    Args:
        arguments: those of `vislam-signal serve`.

    Returns:
        All that holds, as TOML that may be used again.

    Raises:
        SystemExit: something is wrong.
    """
    options = Options(is_rehearsal=True)
    options.parseOptions(arguments)
    lines = [f"# vislam-signal {__version__}: what holds, and where it comes from."]
    return "\n".join([*lines, *rendered(options.effective())]) + "\n"
