"""Settings as TOML again, for people and for another start; what looks like a secret is hidden."""

import json
import re
from collections.abc import Iterator, Mapping

from twisted_signal.config.settings import Origin, Setting, Value
from twisted_signal.option_table import OPTIONS, Kind, Option
from twisted_signal.text import printable

HIDDEN = "…"
"""What stands for a secret."""

# The password of a URL (RFC 3986, section 3.2.1), and whatever is called one.
_SECRET = re.compile(
    r"(?P<url>://[^\s/@]*?:)[^\s/@]+(?=@)"
    r"|(?P<name>(?i:\b\w*(?:password|passphrase|secret|token)=))[^:;&\s]+"
)


def without_secrets(text: str) -> str:
    """Return a value with `…` for what looks like a password in it."""
    return _SECRET.sub(lambda found: f"{found['url'] or found['name']}{HIDDEN}", text)


def shown(value: Value) -> str:
    """Return a value in words, for the log."""
    match value:
        case None | []:
            return "nothing"
        case bool():
            return "on" if value else "off"
        case list():
            return ", ".join(map(shown, value))
    return printable(without_secrets(value)) or '""'


def rendered(settings: Mapping[str, Setting]) -> Iterator[str]:
    """Yield the lines of a TOML document: each option, and where its value comes from.

    Args:
        settings: the value of each option. Those without a value become comments.
    """
    for option in OPTIONS:
        setting = settings[option.name]
        if option.name == "config":
            continue
        if setting.value is None or setting.value == []:
            default = option.default_meaning
            yield f"# {option.name}: {'not set' if default is None else f'default, {default}'}"
        elif not _is_text(setting.value):
            value = shown(setting.value)
            yield f"# {option.name}: {value}, which TOML cannot say  # {_place(setting)}"
        else:
            yield f"{option.name} = {_toml(option, setting.value)}  # {_place(setting)}"


def _place(setting: Setting) -> str:
    match setting.origin:
        case Origin.COMMAND_LINE | Origin.DEFAULT | Origin.DEMO:
            place = setting.origin.value
        case _:
            place = setting.place
    is_hidden = setting.value is not None and _has_secret(setting.value)
    return f"{place}, with a secret that is not shown" if is_hidden else place


def _is_text(value: Value) -> bool:
    """Whether it is Unicode: what was typed may have bytes that are not (PEP 383)."""
    try:
        str(value).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _has_secret(value: Value) -> bool:
    texts = value if isinstance(value, list) else [str(value)]
    return any(without_secrets(text) != text for text in texts)


def _toml(option: Option, value: Value) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_string, value))}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    if option.kind in (Kind.NUMBER, Kind.PORT) and text.isdecimal():
        return str(int(text))
    return _string(text)


def _string(text: str) -> str:
    """Return a basic string (TOML 1.0.0, "String"), which is JSON but for one character."""
    return json.dumps(without_secrets(text), ensure_ascii=False).replace("\x7f", "\\u007F")
