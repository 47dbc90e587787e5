"""Who may ask what of the admin endpoint."""

from http import HTTPStatus

import pytest

from twisted_signal.admin.errors import ApiError
from twisted_signal.admin.guard import Asking, Guard

TOKEN = b"0123456789abcdef"
LOCAL = Guard(checks_host=True)
BY_TOKEN = Guard(lambda: TOKEN, checks_host=True)
JSON = "application/json"


def refused(guard: Guard, asking: Asking, *, is_open: bool = False) -> tuple[HTTPStatus, str]:
    """Return with what a request is refused."""
    with pytest.raises(ApiError) as caught:
        guard.check(asking, is_open=is_open)
    return caught.value.status, caught.value.code


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8767", "127.0.0.1", "127.0.0.1:1", "127.1.2.3", "[::1]:8767"]
)
def test_without_a_token_this_machine_may_ask(host: str) -> None:
    LOCAL.check(Asking("GET", host), is_open=False)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "rebound.example",
        "rebound.example:8767",
        "localhost.rebound.example",
        "127.0.0.1.rebound.example",
        "127.0.0.1@rebound.example",
        "192.0.2.7:8767",
        "[::1].example",
        "localhost:8767:1",
        "localhost\n",
    ],
)
def test_without_a_token_no_other_name_may_be_meant(host: str) -> None:
    assert refused(LOCAL, Asking("GET", host)) == (HTTPStatus.FORBIDDEN, "wrong_host")


def test_at_a_local_socket_any_name_will_do() -> None:
    Guard(checks_host=False).check(Asking("GET", "anything"), is_open=False)


def test_what_is_open_is_for_any_name_and_without_a_token() -> None:
    for guard in (LOCAL, BY_TOKEN):
        guard.check(Asking("GET", "rebound.example"), is_open=True)


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER  "])
def test_the_token_lets_in_under_any_name(scheme: str) -> None:
    asking = Asking("GET", "signal.example", authorization=scheme + TOKEN.decode())
    BY_TOKEN.check(asking, is_open=False)


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        ("", "token_missing"),
        ("Bearer", "token_missing"),
        ("Bearer  ", "token_missing"),
        ("Basic " + TOKEN.decode(), "token_missing"),
        ("Bearer 0123456789abcdee", "token_wrong"),
        ("Bearer 0123456789abcdef0", "token_wrong"),
        ("Bearer \N{REPLACEMENT CHARACTER}", "token_wrong"),
    ],
)
def test_nothing_else_lets_in_where_there_is_a_token(authorization: str, code: str) -> None:
    asking = Asking("GET", "localhost", authorization=authorization)
    assert refused(BY_TOKEN, asking) == (HTTPStatus.UNAUTHORIZED, code)


def test_who_shows_no_token_is_told_of_the_scheme_and_not_of_the_token() -> None:
    with pytest.raises(ApiError) as caught:
        BY_TOKEN.check(Asking("GET", "localhost", authorization="Bearer x"), is_open=False)
    assert caught.value.headers == (("WWW-Authenticate", 'Bearer realm="vislam-signal"'),)
    assert TOKEN.decode() not in str(caught.value)


def test_a_new_token_counts_at_once() -> None:
    tokens = [TOKEN]
    guard = Guard(lambda: tokens[0], checks_host=True)
    tokens[0] = b"another token that is right"

    asking = Asking("GET", "localhost", authorization="Bearer " + TOKEN.decode())
    assert refused(guard, asking) == (HTTPStatus.UNAUTHORIZED, "token_wrong")


@pytest.mark.parametrize("origin", ["", "http://localhost:8767", "HTTP://LOCALHOST:8767"])
@pytest.mark.parametrize("content_type", [JSON, "Application/JSON; charset=utf-8"])
def test_a_page_of_its_own_may_change_something(origin: str, content_type: str) -> None:
    LOCAL.check(
        Asking("POST", "localhost:8767", origin=origin, content_type=content_type), is_open=False
    )


@pytest.mark.parametrize(
    "origin", ["null", "https://example.com", "http://localhost:8768", "http://localhost"]
)
def test_a_page_of_another_origin_may_change_nothing(origin: str) -> None:
    asking = Asking("POST", "localhost:8767", origin=origin, content_type=JSON)
    assert refused(LOCAL, asking) == (HTTPStatus.FORBIDDEN, "wrong_origin")
    with_token = asking._replace(authorization="Bearer " + TOKEN.decode())
    assert refused(BY_TOKEN, with_token) == (HTTPStatus.FORBIDDEN, "wrong_origin")


@pytest.mark.parametrize(
    "content_type",
    # What a form can send, or a fetch without leave (Fetch, section 2.2.2).
    ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"],
)
def test_what_a_form_can_send_changes_nothing(content_type: str) -> None:
    asking = Asking("POST", "localhost", content_type=content_type)
    assert refused(LOCAL, asking) == (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "wrong_content_type")


@pytest.mark.parametrize("fetch_site", ["", "same-origin", "none"])
def test_what_the_page_or_the_user_asks_for_is_told(fetch_site: str) -> None:
    LOCAL.check(Asking("GET", "localhost", fetch_site=fetch_site), is_open=False)


@pytest.mark.parametrize("fetch_site", ["cross-site", "same-site", "nonsense"])
def test_a_page_of_another_origin_is_told_nothing_even_if_it_could_not_read_it(
    fetch_site: str,
) -> None:
    asking = Asking("GET", "localhost", fetch_site=fetch_site)
    assert refused(LOCAL, asking) == (HTTPStatus.FORBIDDEN, "wrong_origin")
    LOCAL.check(asking, is_open=True)  # a link to the page itself may stand anywhere
