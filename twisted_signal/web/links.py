"""Links to the pages, as a phone and a PC can follow them."""

from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

PHONE = "/demo/phone"
PC = "/demo/pc"

_SCHEMES = {"wss": "https", "ws": "http"}


def is_loopback(link: str) -> bool:
    """Tell whether only this machine can follow a link."""
    host = urlsplit(link).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def page_links(urls: Iterable[str], path: str) -> list[str]:
    """Return the links to a page, the best one for another machine first.

    That is one by TLS, for without it a browser gives no page the camera (Secure Contexts), and one
    that is not for this machine alone.

    Args:
        urls: where the server listens, for WebSockets; a local socket is none of a page's.
        path: the page's.
    """
    found = []
    for url in urls:
        scheme, _, rest = url.partition("://")
        if scheme in _SCHEMES:
            found.append(f"{_SCHEMES[scheme]}://{rest}{path}")
    return sorted(found, key=lambda link: (is_loopback(link), not link.startswith("https:")))


def phone_links(urls: Iterable[str]) -> list[str]:
    """Return where a phone finds its page, best first; this machine's own only if that is all."""
    links = page_links(urls, PHONE)
    return [link for link in links if not is_loopback(link)] or links


def pc_link(urls: Iterable[str]) -> str | None:
    """Return where a browser on this machine finds the PC's page.

    Without TLS if it can be, and so without a certificate to worry about: a page of the same
    machine is trusted as it is (Secure Contexts, section 3.1).
    """
    links = page_links(urls, PC)
    ranked = sorted(links, key=lambda link: (not is_loopback(link), link.startswith("https:")))
    return ranked[0] if ranked else None
