import socket
import threading
from collections.abc import Callable

import pytest
from endpoint_stub import EndpointStub, Said, endpoint_stub

from twisted_signal.admin_client import AdminClient, AdminError, WrongUrl

EVENTS = (
    b'event: rooms\ndata: {"total": 0, "order": []}\n\n:\n\nevent: rates\ndata: {"step_s": 5}\n\n'
)


def asking(
    said: Said, ask: Callable[[AdminClient], object], token: str | None = None
) -> tuple[object, EndpointStub]:
    """Return what came of asking a stub, and the stub."""
    with endpoint_stub(lambda _: said) as stub:
        return ask(AdminClient(stub.url, token)), stub


def failure(said: Said, token: str | None = None) -> str:
    """Return the line that an answer makes, with URL in the place of the address."""
    with endpoint_stub(lambda _: said) as stub:
        with pytest.raises(AdminError) as caught:
            AdminClient(stub.url, token).get("/api/v1/server")
        return str(caught.value).replace(stub.url, "URL")


def test_an_answer_is_read_and_the_query_is_encoded() -> None:
    found, stub = asking(
        Said({"items": []}),
        lambda client: client.get("/api/v1/rooms", search="a&b ü", limit=5, room=None),
    )

    assert found == {"items": []}
    assert stub.asked[0].target == "/api/v1/rooms?search=a%26b+%C3%BC&limit=5"
    assert "Authorization" not in stub.asked[0].headers


def test_the_token_is_shown() -> None:
    _, stub = asking(Said({}), lambda client: client.get("/api/v1/server"), "abc")

    assert stub.asked[0].headers["Authorization"] == "Bearer abc"


def test_what_changes_something_is_sent_as_no_form_can_send_it() -> None:
    _, stub = asking(Said({}), lambda client: client.post("/api/v1/clients/7/disconnect"))

    assert stub.asked[0].method == "POST"
    assert stub.asked[0].headers["Content-Type"] == "application/json"


def test_events_are_read_and_their_end_is_told() -> None:
    with endpoint_stub(lambda _: Said(EVENTS, content_type="text/event-stream")) as stub:
        stream = AdminClient(stub.url).events(view="rooms")
        found: list[object] = []
        with pytest.raises(AdminError, match="has ended the connection"):
            found.extend(stream)  # what extend has taken before an error stays

    assert stub.asked[0].target == "/api/v1/events?view=rooms"
    assert found == [("rooms", {"total": 0, "order": []}), ("rates", {"step_s": 5})]


def test_events_can_be_closed_while_somebody_waits_for_them() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = AdminClient(f"http://127.0.0.1:{listener.getsockname()[1]}")

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + EVENTS
                )
                connection.recv(1)  # until the client has closed its side

        server = threading.Thread(target=serve)
        server.start()
        stream = client.events()
        events = iter(stream)
        assert next(events)[0] == "rooms"
        assert next(events)[0] == "rates"
        threading.Timer(0.05, stream.close).start()
        with pytest.raises(AdminError):
            next(events)
        server.join()


def test_who_lacks_a_token_is_told_which_option_names_it() -> None:
    refused = Said({"error": {"code": "token_missing", "message": "Show it."}}, 401)

    assert failure(refused) == "URL wants a token: --token-file names the file of it"
    assert failure(refused, "abc") == "URL does not take this token"


def test_the_servers_own_sentence_is_passed_on_and_made_fit_for_a_terminal() -> None:
    said = Said({"error": {"code": "x", "message": "No \x1b[31m room."}}, 404)

    assert failure(said) == "URL says: No \\x1b[31m room."


@pytest.mark.parametrize(
    "said",
    [
        Said(b"<html>", 200, "text/html"),
        Said(b"<html>", 404, "text/html"),
        Said(b"", 302),
        Said(["no"], 500),
        Said({"error": "no"}, 500),
    ],
)
def test_another_server_is_told_apart(said: Said) -> None:
    assert failure(said) == "what answers at URL is no admin endpoint of vislam-signal"


def test_another_servers_stream_is_told_apart() -> None:
    with endpoint_stub(lambda _: Said({})) as stub, pytest.raises(AdminError, match="is no admin"):
        AdminClient(stub.url).events()


def test_what_speaks_no_http_is_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"SSH-2.0-OpenSSH_9.9\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(AdminError, match="is no admin endpoint"):
            AdminClient(f"http://127.0.0.1:{listener.getsockname()[1]}").get("/")
        thread.join()


def test_a_server_that_is_not_there_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(AdminError) as caught:
        AdminClient(f"http://127.0.0.1:{port}").get("/")

    assert str(caught.value) == f"http://127.0.0.1:{port} cannot be reached: Connection refused"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8767",
        "ws://localhost:8765",
        "http://",
        "http://a:b",
        "http://a/x",
        "http://[::1",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(WrongUrl, match=r"must be an address such as http://127\.0\.0\.1:8767"):
        AdminClient(url)


def test_a_password_in_an_address_is_not_repeated() -> None:
    assert AdminClient("http://me:secret@localhost:8767/").url == "http://localhost:8767"
