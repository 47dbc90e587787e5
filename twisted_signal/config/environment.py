"""Options in the environment."""

import re
import shlex
from collections.abc import Mapping

from twisted_signal.config.settings import ConfigError, Origin, Setting, Value, suggestion
from twisted_signal.option_table import OPTIONS, Kind, Option
from twisted_signal.text import quoted

PREFIX = "VISLAM_SIGNAL_"
"""How names begin in the environment."""

_FLAGS = {"1": True, "true": True, "yes": True, "on": True}
_FLAGS |= {"0": False, "false": False, "no": False, "off": False}

# What Kubernetes sets for a Service named vislam-signal, or vislam-signal-and-more, in every
# container beside it (its documentation, "Accessing the Service", and Docker's links before it).
_OF_KUBERNETES = re.compile(
    rf"{PREFIX}(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT\w*|PORT_\d+_(?:TCP|UDP|SCTP)\w*)"
)
_ADDRESS_OF_KUBERNETES = re.compile(r"(?:tcp|udp|sctp)://\S+")


def variable(option: Option) -> str:
    """Return the name of an option in the environment."""
    return PREFIX + option.name.replace("-", "_").upper()


_BY_VARIABLE = {variable(option): option for option in OPTIONS}


def from_environment(environment: Mapping[str, str]) -> dict[str, Setting]:
    """Return what the environment gives, by the names of the options.

    A variable that is empty gives nothing: that is how the likes of Compose pass on one that is not
    set.

    Raises:
        ConfigError: a variable is unknown, or has a value that is none for it.
    """
    given = {}
    for name, text in environment.items():
        if not name.startswith(PREFIX) or not text.strip() or _is_of_kubernetes(name, text):
            continue
        option = _BY_VARIABLE.get(name)
        if option is None:
            raise ConfigError(
                f"no option has the variable {quoted(name)}{suggestion(name, _BY_VARIABLE, PREFIX)}"
            )
        given[option.name] = Setting(_parsed(option, name, text), Origin.ENVIRONMENT, name)
    return given


def _is_of_kubernetes(name: str, text: str) -> bool:
    if _OF_KUBERNETES.fullmatch(name):
        return True
    return name.endswith("_PORT") and _ADDRESS_OF_KUBERNETES.fullmatch(text) is not None


def _parsed(option: Option, name: str, text: str) -> Value:
    if option.is_repeatable:
        return _words(name, text)
    if option.kind != Kind.FLAG:
        return text
    flag = _FLAGS.get(text.strip().lower())
    if flag is None:
        raise ConfigError(f"{name} must be 1 or 0 (or {', '.join(_FLAGS)}), not {quoted(text)}")
    return flag


def _words(name: str, text: str) -> list[str]:
    """Split at white space; quotes keep a value with a space together, as in a shell."""
    words = shlex.shlex(text, posix=True, punctuation_chars=False)
    words.whitespace_split = True
    words.commenters = ""
    words.escape = ""  # the backslashes of endpoints are theirs
    try:
        return list(words)
    except ValueError:
        raise ConfigError(f"{name} has a quote that is not closed: {quoted(text)}") from None
