"""Why a request to the admin endpoint is refused."""

from collections.abc import Iterable
from http import HTTPStatus

from msgspec import Struct


class ErrorDetail(Struct, frozen=True):
    """Why a request was refused. `code`: in a word. `message`: in a sentence."""

    code: str
    message: str


class ErrorView(Struct, frozen=True):
    """The answer to a request that was refused."""

    error: ErrorDetail


class ApiError(Exception):
    """A request is refused. `str(error)` is a sentence for whoever made it.

    Attributes:
        status: of the answer.
        code: what is wrong in a word, for programs.
        headers: more of the answer's headers.
    """

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        sentence: str,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code
        self.headers = headers


class BadQuery(ApiError):
    """A parameter of the query is wrong. `sentence`: names it."""

    def __init__(self, sentence: str) -> None:
        super().__init__(HTTPStatus.BAD_REQUEST, "bad_query", sentence)


def wrong_method(allowed: Iterable[str]) -> ApiError:
    """Return the error for a method that a path is not for. `allowed`: those that it is for."""
    methods = list(allowed)
    return ApiError(
        HTTPStatus.METHOD_NOT_ALLOWED,
        "wrong_method",
        f"This path is for {' and '.join(methods)}.",
        (("Allow", ", ".join(methods)),),
    )
