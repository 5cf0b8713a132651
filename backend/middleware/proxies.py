"""Trust in reverse proxies: how many are trusted, and which of their header values are valid.

Werkzeug's ProxyFix rewrites the request, but it only counts proxies, and takes any text
for an address or a prefix. A proxy that does not set a header passes the client's own
on, so malformed values are dropped before it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from werkzeug.middleware.proxy_fix import ProxyFix

from backend.middleware.headers import ExcInfo, Header
from backend.settings.types import Network

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Trusted = int | tuple[Network, ...]

_HOST = re.compile(r"[A-Za-z0-9.\-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~\-]{1,100}){1,10}")
_MOST_HOPS = 64  # nearest to us; what stands before them is the client's to invent
_LONGEST_ADDRESS = 64
_WITH_PORT = re.compile(
    r"\[(?P<v6>[0-9A-Fa-f:.]{2,45})\](:[0-9]{1,5})?|(?P<v4>[0-9.]{7,15}):[0-9]{1,5}"
)
_SCHEMES = ("http", "https")
_REWRITTEN = (
    *("REMOTE_ADDR", "wsgi.url_scheme", "HTTP_HOST", "SERVER_NAME", "SERVER_PORT", "SCRIPT_NAME"),
)


def with_proxies(application: WSGIApplication, trusted: Trusted) -> WSGIApplication:
    """Wrap an application so that it sees a request as the outermost trusted proxy did.

    Proxies strip the prefix that they announce; responses get it back in `Location`.
    """
    if not trusted:
        return application
    application = _with_prefix_in_location(application)

    def forwarded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        addresses = [*_values(environ, "FOR"), environ["REMOTE_ADDR"]]
        hops = trusted if isinstance(trusted, int) else _count(addresses, trusted)
        if hops:
            _rewrite(environ, _trusted_values(environ, addresses, hops))
        return application(environ, start_response)

    return forwarded


def _rewrite(environ: WSGIEnvironment, forwarded: dict[str, str]) -> None:
    """Rewrite the request by these headers with ProxyFix; the log still shows the original ones."""
    seen: WSGIEnvironment = {name: environ[name] for name in _REWRITTEN if name in environ}
    fix = ProxyFix(lambda _environ, _start: (), x_for=1, x_proto=1, x_host=1, x_prefix=1)
    seen.update(forwarded)
    fix(seen, lambda *_: repr)  # nothing is sent
    environ.update((name, seen[name]) for name in _REWRITTEN if name in seen)


def _trusted_values(environ: WSGIEnvironment, addresses: list[str], hops: int) -> dict[str, str]:
    """Return the outermost trusted proxy's X-Forwarded headers without malformed ones.

    Proxies behind that one may have appended to a header or replaced it.
    """
    client = _address(addresses[-1 - hops]) if hops < len(addresses) else None
    scheme, host, prefix = (
        next(iter(_values(environ, name)[-hops:]), "") for name in ("PROTO", "HOST", "PREFIX")
    )
    prefix = prefix.rstrip("/")
    kept = {
        "FOR": "" if client is None else str(client),
        "PROTO": scheme.lower() if scheme.lower() in _SCHEMES else "",
        "HOST": host if _HOST.fullmatch(host) else "",
        "PREFIX": prefix if _PREFIX.fullmatch(prefix) and "/.." not in prefix else "",
    }
    return {f"HTTP_X_FORWARDED_{name}": value for name, value in kept.items()}


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
    return [part.strip() for part in text.rsplit(",", _MOST_HOPS)[-_MOST_HOPS:]] if text else []


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Read an address; some proxies append a port: `192.0.2.1:80`, `[2001:db8::1]:80`."""
    if len(text) > _LONGEST_ADDRESS:
        return None
    found = _WITH_PORT.fullmatch(text)
    try:
        address = ipaddress.ip_address((found["v6"] or found["v4"]) if found else text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _with_prefix_in_location(application: WSGIApplication) -> WSGIApplication:
    def prefixed(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        prefix = environ["SCRIPT_NAME"]

        def start(status: str, headers: list[Header], exc_info: ExcInfo | None = None) -> object:
            moved = [
                (name, prefix + value if name == "Location" and value.startswith("/") else value)
                for name, value in headers
            ]
            return start_response(status, moved, exc_info)

        return application(environ, start if prefix else start_response)  # type: ignore[arg-type]

    return prefixed
