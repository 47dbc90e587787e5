import pytest

from twisted_signal.origins import AllowedOrigins, is_origin


@pytest.mark.parametrize("origin", ["", "null", "https://anywhere.example", "nonsense", "file://"])
def test_without_a_list_all_are_allowed(origin: str) -> None:
    assert not AllowedOrigins()
    assert AllowedOrigins().allows(origin)


@pytest.mark.parametrize(
    "origin",
    [
        "https://app.example.com",
        "https://app.example.com:443",
        "HTTPS://App.Example.COM",
        "http://localhost:8000",
        "http://127.0.0.1",
        "http://127.0.0.1:80",
        "http://[::1]:8000",
        "https://a.pages.example",
        "https://B.PAGES.example:443",
    ],
)
def test_those_on_the_list_are_allowed(origin: str) -> None:
    origins = AllowedOrigins(
        [
            "https://app.example.com",
            "http://LocalHost:8000",
            "http://127.0.0.1",
            "http://[::1]:8000",
            "https://*.pages.example",
        ]
    )

    assert origins.allows(origin)


@pytest.mark.parametrize(
    "origin",
    [
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://app.example.com.evil.example",
        "https://evil.example/https://app.example.com",
        "https://app.example.com ",
        "https://app.example.com\n",
        "https://app.example.com https://evil.example",
        "https://evil.example, https://app.example.com",
        "https://user@app.example.com",
        "https://appXexample.com",
        "https://example.com",
        "https://a.app.example.com",
        "https://pages.example",
        "https://.pages.example",
        "https://a.b.pages.example",
        "https://*.pages.example",
        "https://a.pages.example:8443",
        "https://evilpages.example",
        "http://a.pages.example",
        "null",
        "file://",
        "app.example.com",
        "https://",
        "://",
    ],
)
def test_others_are_not(origin: str) -> None:
    origins = AllowedOrigins(["https://app.example.com", "https://*.pages.example"])

    assert not origins.allows(origin)


def test_programs_that_have_no_origin_are_always_allowed() -> None:
    assert AllowedOrigins(["https://app.example.com"]).allows("")


@pytest.mark.parametrize("origin", ["null", "NULL", "file://"])
def test_pages_from_files_may_be_allowed(origin: str) -> None:
    assert AllowedOrigins(["null"]).allows(origin)


@pytest.mark.parametrize(
    "text",
    [
        *("", "*", "app.example.com", "https://", "https://*", "https://*.", "https://a.*.example"),
        *(
            "https://app.example.com/",
            "https://app.example.com/path",
            "https://a b",
            "https://*.*.b",
        ),
        *("https://app.example.com:port", "https://app.example.com:123456", "https://ap*.example"),
    ],
)
def test_what_is_no_origin_is_not_put_on_the_list(text: str) -> None:
    assert not is_origin(text)
    with pytest.raises(ValueError, match="not all of them are origins"):
        AllowedOrigins(["https://app.example.com", text])
