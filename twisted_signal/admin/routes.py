"""What can be asked of the admin endpoint: one table, for the router and for the OpenAPI document.

No I/O. A path's part in braces stands for any text: `{room_id}` of `/api/v1/rooms/{room_id}`. It is
percent-encoded in a request, a slash too.
"""

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote_to_bytes

from twisted_signal.admin.errors import ApiError, BadQuery, wrong_method
from twisted_signal.text import quoted

JSON = "application/json"
LARGE = 2**31
GET_METHODS = ("GET", "HEAD")
_MOST_PARAMETERS = 16


class Parameter(NamedTuple):
    """A parameter of the query.

    Attributes:
        name: as in the URL.
        meaning: a sentence.
        default: what holds where it is not given, which tells what it is: a number, or a text; None
            stands for a text that is not given.
        least, most: of a number.
    """

    name: str
    meaning: str
    default: int | str | None = None
    least: int = 0
    most: int = LARGE

    def read(self, text: str) -> int | str:
        """Return the value that a text stands for.

        Raises:
            BadQuery: it is no number where there should be one.
        """
        if not isinstance(self.default, int):
            return text
        is_number = text.isascii() and text.isdecimal() and len(text) < 12
        if not is_number or not self.least <= int(text) <= self.most:
            raise BadQuery(
                f"{self.name} must be a number from {self.least} to {self.most},"
                f" not {quoted(text)}."
            )
        return int(text)


class Other(NamedTuple):
    """Another answer that a route may have than the ordinary one.

    Attributes:
        status: of the answer.
        when: a sentence.
        is_error: it is an error; else it is of the type that the route returns.
    """

    status: HTTPStatus
    when: str
    is_error: bool = True


Values = Mapping[str, Any]
"""The parameters of a request's path and of its query, by name."""


class Asked(NamedTuple):
    """What a request says. `accept`: the header of that name, or nothing."""

    values: Values
    accept: str = ""


class Route(NamedTuple):
    """What is answered at a path.

    Attributes:
        method: GET, which HEAD goes with, or POST.
        path: see the module.
        name: of the operation.
        meaning: a sentence.
        answer: does it; called with what the API knows of the server, and with what is asked. It
            returns a value for JSON, or a coroutine for `later` that does; a whole `Answer`; or
            `Events`.
        returns: the type of a value for JSON; None: it is something else.
        content_type: of the answer.
        parameters: of the query.
        status: of the answer where all goes well.
        others: what else it may answer, beside what any route may.
        is_open: it tells nothing that is for the operator alone: no token is asked for.
    """

    method: str
    path: str
    name: str
    meaning: str
    answer: Callable[[Any, Asked], object]
    returns: Any = None
    content_type: str = JSON
    parameters: tuple[Parameter, ...] = ()
    status: HTTPStatus = HTTPStatus.OK
    others: tuple[Other, ...] = ()
    is_open: bool = False

    @property
    def variables(self) -> list[str]:
        """The names of what stands in braces in the path."""
        return [part[1:-1] for part in self.path.split("/") if part.startswith("{")]

    def match(self, parts: list[str]) -> Values | None:
        """Return what stands in the place of the braces; None: it is another path."""
        own = self.path.split("/")
        if len(own) != len(parts):
            return None
        found = {}
        for name, part in zip(own, parts, strict=True):
            if name.startswith("{"):
                if not part:
                    return None
                found[name[1:-1]] = part
            elif name != part:
                return None
        return found

    def read_query(self, query: str) -> Values:
        """Return the values of the parameters, those that are not given too.

        Raises:
            BadQuery: one of them is wrong, unknown, or given twice.
        """
        found: dict[str, Any] = {each.name: each.default for each in self.parameters}
        known = {each.name: each for each in self.parameters}
        given = set()
        for name, text in _pairs(query):
            if name not in known:
                raise BadQuery(_unknown(name, known))
            if name in given:
                raise BadQuery(f"{name} may be given once only.")
            given.add(name)
            found[name] = known[name].read(text)
        return found


def find(routes: Iterable[Route], method: str, path: str) -> tuple[Route, Values]:
    """Return the route for a request, and what its path says.

    Args:
        routes: those that there are.
        method: HEAD is for what GET is for.
        path: as it came, percent-encoded.

    Raises:
        ApiError: there is none.
    """
    try:
        parts = [unquote_to_bytes(part).decode() for part in path.split("/")]
    except UnicodeDecodeError:
        raise ApiError(HTTPStatus.BAD_REQUEST, "bad_path", "The path must be UTF-8.") from None
    matching = [(route, found) for route in routes if (found := route.match(parts)) is not None]
    if not matching:
        raise ApiError(
            HTTPStatus.NOT_FOUND,
            "unknown_path",
            "There is nothing here. /api/v1/openapi.json describes what there is.",
        )
    wanted = "GET" if method == "HEAD" else method
    for route, found in matching:
        if route.method == wanted:
            return route, found
    raise wrong_method(name for route, _ in matching for name in _methods(route))


def _methods(route: Route) -> tuple[str, ...]:
    return GET_METHODS if route.method == "GET" else (route.method,)


def _pairs(query: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            query, keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS
        )
    except UnicodeDecodeError:
        raise BadQuery("The query must be UTF-8.") from None
    except ValueError:
        raise BadQuery("The query has too many parameters.") from None


def _unknown(name: str, known: Mapping[str, Parameter]) -> str:
    nearest = get_close_matches(name[:64], known, 1)
    if nearest:
        return f"There is no parameter {quoted(name)}; {nearest[0]} may be meant."
    if known:
        return f"There is no parameter {quoted(name)}; there are {', '.join(known)}."
    return f"There is no parameter {quoted(name)}, nor any other here."
