"""Why a request to the admin endpoint is refused."""

from http import HTTPStatus


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
