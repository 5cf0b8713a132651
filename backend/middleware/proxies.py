"""What reverse proxies say about a request: whose it is, and under which address it came.

Werkzeug's ProxyFix only counts proxies, takes any text for an address, and any text
for a prefix. A proxy that does not set a header passes the client's own on, so each
value is checked before it is believed.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from backend.middleware.headers import ExcInfo, Header
from backend.settings.types import Network

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Trusted = int | tuple[Network, ...]

_HOST = re.compile(r"[A-Za-z0-9.\-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~\-]{1,100}){1,10}")
_SCHEMES = ("http", "https")


def with_proxies(application: WSGIApplication, trusted: Trusted) -> WSGIApplication:
    """Wrap an application so that it sees a request as the outermost trusted proxy did.

    Proxies strip the prefix that they announce; answers get it back in `Location`.
    """
    if not trusted:
        return application

    def forwarded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if _believe(environ, trusted) and environ["SCRIPT_NAME"]:
            start_response = _with_prefix(start_response, environ["SCRIPT_NAME"])
        return application(environ, start_response)

    return forwarded


def _believe(environ: WSGIEnvironment, trusted: Trusted) -> bool:
    addresses = [*_values(environ, "FOR"), environ["REMOTE_ADDR"]]
    hops = trusted if isinstance(trusted, int) else _count(addresses, trusted)
    if not hops:
        return False
    if hops < len(addresses) and (client := _address(addresses[-1 - hops])) is not None:
        environ["REMOTE_ADDR"] = str(client)
    if (scheme := _outermost(environ, "PROTO", hops).lower()) in _SCHEMES:
        environ["wsgi.url_scheme"] = scheme
    if _HOST.fullmatch(host := _outermost(environ, "HOST", hops)):
        environ["HTTP_HOST"] = host
    prefix = _outermost(environ, "PREFIX", hops).rstrip("/")
    if _PREFIX.fullmatch(prefix) and "/.." not in prefix:
        environ["SCRIPT_NAME"] = prefix
    return True


def _count(addresses: list[str], trusted: tuple[Network, ...]) -> int:
    """Count the trusted proxies between us and the first address that is none of them."""
    hops = 0
    for text in reversed(addresses):
        address = _address(text)
        if address is None or not any(address in network for network in trusted):
            break
        hops += 1
    return hops


def _values(environ: WSGIEnvironment, name: str) -> list[str]:
    text: str = environ.get(f"HTTP_X_FORWARDED_{name}", "")
    return [part.strip() for part in text.split(",")] if text else []


def _outermost(environ: WSGIEnvironment, name: str, hops: int) -> str:
    """Return what the outermost trusted proxy said; those behind it may have said it anew."""
    return next(iter(_values(environ, name)[-hops:]), "")


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _with_prefix(start_response: StartResponse, prefix: str) -> StartResponse:
    def start(status: str, headers: list[Header], exc_info: ExcInfo | None = None) -> object:
        moved = [
            (name, prefix + value if name == "Location" and value.startswith("/") else value)
            for name, value in headers
        ]
        return start_response(status, moved, exc_info)

    return start  # type: ignore[return-value]
