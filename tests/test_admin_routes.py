"""What can be asked of the admin endpoint: paths and parameters."""

from http import HTTPStatus

import pytest

from twisted_signal.admin.errors import ApiError, BadQuery
from twisted_signal.admin.routes import Parameter, Route, find


def answer(_: object, __: object) -> None:
    """Answer nothing."""


ITEMS = Route("GET", "/items", "items", "The items.", answer)
ITEM = Route("GET", "/items/{name}", "item", "An item.", answer)
CHANGE = Route("POST", "/items/{name}/change", "change", "Change an item.", answer)
ROUTES = (ITEMS, ITEM, CHANGE)
PAGED = Route(
    "GET",
    "/",
    "paged",
    "A part.",
    answer,
    parameters=(
        Parameter("limit", "How many.", 50, 1, 500),
        Parameter("search", "What.", ""),
        Parameter("room", "Where."),
    ),
)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/items/a", "a"),
        ("/items/a%2Fb", "a/b"),
        ("/items/%D0%BB%D0%B0%D0%B1%20%F0%9F%93%B7", "лаб 📷"),
        ("/items/a+b", "a+b"),
        ("/items/%00%0A", "\x00\n"),
        ("/items/..", ".."),
    ],
)
def test_a_name_in_a_path_may_have_any_characters(path: str, name: str) -> None:
    assert find(ROUTES, "GET", path) == (ITEM, {"name": name})


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_is_for_get_is_for_head(method: str) -> None:
    assert find(ROUTES, method, "/items") == (ITEMS, {})


@pytest.mark.parametrize("path", ["/", "/item", "/items/", "/items/a/b", "/items//change", "items"])
def test_another_path_is_unknown(path: str) -> None:
    with pytest.raises(ApiError, match=r"There is nothing here\.") as caught:
        find(ROUTES, "GET", path)
    assert (caught.value.status, caught.value.code) == (HTTPStatus.NOT_FOUND, "unknown_path")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/items", "GET, HEAD"),
        ("DELETE", "/items/a", "GET, HEAD"),
        ("OPTIONS", "/items/a/change", "POST"),
        ("GET", "/items/a/change", "POST"),
        ("get", "/items", "GET, HEAD"),
    ],
)
def test_another_method_is_told_which_are_right(method: str, path: str, allowed: str) -> None:
    with pytest.raises(ApiError) as caught:
        find(ROUTES, method, path)
    assert caught.value.status == HTTPStatus.METHOD_NOT_ALLOWED
    assert caught.value.headers == (("Allow", allowed),)


def test_a_path_that_is_no_text_is_refused() -> None:
    with pytest.raises(ApiError, match="UTF-8") as caught:
        find(ROUTES, "GET", "/items/%FF")
    assert caught.value.status == HTTPStatus.BAD_REQUEST


@pytest.mark.parametrize(
    ("query", "values"),
    [
        ("", {"limit": 50, "search": "", "room": None}),
        ("limit=500&search=a%26b&room=", {"limit": 500, "search": "a&b", "room": ""}),
        ("search=a+b%2Bc", {"limit": 50, "search": "a b+c", "room": None}),
    ],
)
def test_a_query_has_values_or_defaults(query: str, values: dict[str, object]) -> None:
    assert PAGED.read_query(query) == values


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("limit=0", "limit must be a number from 1 to 500, not 0."),
        ("limit=501", "limit must be a number from 1 to 500, not 501."),
        ("limit=", 'limit must be a number from 1 to 500, not "".'),
        ("limit=-1", "limit must be a number from 1 to 500, not -1."),
        ("limit=%D9%A3", "limit must be a number from 1 to 500, not ٣."),
        ("limit=" + "9" * 5000, "limit must be a number from 1 to 500"),
        ("limti=3", "There is no parameter limti; limit may be meant."),
        ("x=3", "There is no parameter x; there are limit, search, room."),
        ("limit=1&limit=2", "limit may be given once only."),
        ("search=%FF", "The query must be UTF-8."),
        ("&".join(f"a{number}=1" for number in range(17)), "The query has too many parameters."),
    ],
)
def test_a_wrong_query_is_told_what_is_wrong(query: str, sentence: str) -> None:
    with pytest.raises(BadQuery) as caught:
        PAGED.read_query(query)
    assert str(caught.value).startswith(sentence)
    assert (caught.value.status, caught.value.code) == (HTTPStatus.BAD_REQUEST, "bad_query")


def test_where_there_are_no_parameters_none_is_proposed() -> None:
    with pytest.raises(BadQuery, match="There is no parameter x, nor any other here"):
        ITEMS.read_query("x=1")
