"""To whom the server answers.

A page from anywhere can have its visitor's browser send requests to this machine. Such
requests are told by headers that browsers write and pages cannot change.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from course.serve.refused import RefusedError, quote

DEFAULT_PORTS = {"http": 80, "https": 443}


class Guard:
    """Turns away what pages from elsewhere ask for."""

    def __init__(self, app: ASGIApp, is_local: bool) -> None:
        """Stand before an app.

        Args:
            app: What is guarded.
            is_local: Whether it serves this machine only.
        """
        self.app = app
        self.is_local = is_local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on, or refuse it."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            try:
                if self.is_local:
                    assert_local(headers)
                assert_same_origin(headers)
            except RefusedError as refused:
                await refused.response()(scope, receive, send)
                return
        await self.app(scope, receive, send)


def assert_local(headers: Headers) -> None:
    """Refuse requests that were sent to another name than this machine's own.

    A page from elsewhere can let its name point to this machine (DNS rebinding): then
    it is of the same origin to the browser. The name stays in Host.

    Raises:
        RefusedError: Host is not localhost or a loopback address.
    """
    host = headers.get("host", "")
    if len(headers.getlist("host")) != 1 or not is_local(host):
        raise RefusedError(
            403,
            f"This server answers to this machine only, as localhost, and not as "
            f"{quote(host)}. `course serve --host` opens it to a network.",
        )


def is_local(host: str) -> bool:
    """Whether a Host header names this machine to itself, on whatever port."""
    match = re.fullmatch(r"(?:\[([^\[\]]+)\]|([^:@\[\]]+))(?::\d*)?", host.lower())
    if match is None:
        return False
    name = (match[1] or match[2]).removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    return is_loopback(name)


def is_loopback(address: str) -> bool:
    """Whether a text is an IP address that only this machine can reach."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    return (getattr(ip, "ipv4_mapped", None) or ip).is_loopback


def assert_same_origin(headers: Headers) -> None:
    """Refuse what a page of another origin asks for.

    The rule is that of Go's `http.CrossOriginProtection`: what Sec-Fetch-Site says, or
    in browsers and at addresses without it, whether Origin is what Host is. Programs
    send neither. Unlike there, GET is not exempt, but following a link is.

    Raises:
        RefusedError: It does.
    """
    site = headers.get("sec-fetch-site")
    if site is None:
        is_foreign = not all(
            is_same(origin, headers.get("host", ""))
            for origin in headers.getlist("origin")
        )
    else:
        is_link = headers.get("sec-fetch-mode") == "navigate" and (
            headers.get("sec-fetch-dest") == "document" and "origin" not in headers
        )
        is_foreign = site not in {"same-origin", "none"} and not is_link
    if is_foreign:
        raise RefusedError(
            403,
            f"A page of another origin ({quote(headers.get('origin', 'unknown'))}) may "
            "not use this server. Pages that it serves itself may, and programs.",
        )


def is_same(origin: str, host: str) -> bool:
    """Whether an Origin header names the host and port that a Host header names."""
    try:
        one = urlsplit(origin)
        other = urlsplit(f"{one.scheme}://{host}")
        default = DEFAULT_PORTS[one.scheme]
        return one.hostname is not None and (
            (one.hostname, one.port or default)
            == (other.hostname, other.port or default)
        )
    except (KeyError, ValueError):
        return False
