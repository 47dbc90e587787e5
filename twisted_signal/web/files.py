"""The files that the pages are made of, read once and kept in memory.

No request names a file: it names an entry of a table, so that nothing outside it can be reached.
"""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import PurePosixPath

from twisted_signal.web.answers import Answer, kept

PAGES = {"/": "index.html", "/demo/pc": "pc.html", "/demo/phone": "phone.html"}
"""The pages, by their path."""

ANYWHERE = ("client.js", "client.d.ts")
"""What pages from elsewhere may use too; it stands at the root."""

FAVICON = "icon.svg"
"""What browsers ask for at a place of their own, too, where a page names none."""

CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".ts": "text/plain; charset=utf-8",
}

# A module is fetched with CORS by pages of other origins (HTML, section 8.1.4.2).
_FOR_ALL = (("Access-Control-Allow-Origin", "*"), ("Cross-Origin-Resource-Policy", "cross-origin"))


def read_files() -> dict[str, Answer]:
    """Return what the package has, by path."""
    found = read_static(__package__, PAGES)
    for name in ANYWHERE:
        file = found.pop(f"/static/{name}")
        found[f"/{name}"] = kept(file.content_type, file.body, _FOR_ALL)
    found["/favicon.ico"] = found[f"/static/{FAVICON}"]
    return found


def read_static(package: str, pages: Mapping[str, str]) -> dict[str, Answer]:
    """Return what is in the folder `static` of a package, by path: `/static/` and the name.

    Args:
        package: its full name.
        pages: files that have another path: the file by the path.
    """
    found = {}
    by_name = {page: path for path, page in pages.items()}
    for file in files(package).joinpath("static").iterdir():
        content_type = CONTENT_TYPES.get(PurePosixPath(file.name).suffix)
        if content_type is not None:  # else it is what an editor leaves behind
            path = by_name.get(file.name, f"/static/{file.name}")
            found[path] = kept(content_type, file.read_bytes())
    return found
