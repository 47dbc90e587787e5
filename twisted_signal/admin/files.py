"""The files of the status page. It shares its look with the pages for clients."""

from importlib.resources import files
from pathlib import PurePosixPath

from twisted_signal.web.answers import Answer, kept
from twisted_signal.web.files import CONTENT_TYPES, read_files

PAGE = "index.html"
_SHARED = ("/static/style.css", "/static/icon.svg", "/favicon.ico")


def page_files() -> dict[str, Answer]:
    """Return the files that the page is made of, by path; the page itself is at `/`."""
    web = read_files()
    found = {path: web[path] for path in _SHARED}
    for file in files(__package__).joinpath("static").iterdir():
        content_type = CONTENT_TYPES.get(PurePosixPath(file.name).suffix)
        if content_type is not None:  # else an editor left it behind
            path = "/" if file.name == PAGE else f"/static/{file.name}"
            found[path] = kept(content_type, file.read_bytes())
    return found
