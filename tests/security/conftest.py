"""A server behind a real nginx, and programs of this machine."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx
import pytest
import trustme

from benchmarks.live import LiveServer
from tests.clients.conftest import program
from tests.prepared_server import prepared_server
from tests.security.reverse_proxies import nginx

__all__ = ["program"]


class Proxied(NamedTuple):
    """A server, and the address and trust by which the world reaches it."""

    server: LiveServer
    url: str
    trust: ssl.SSLContext

    def client(self, below: str = "", **options: object) -> httpx.Client:
        """Return a client of the root or of a sub-path, not logged in."""
        return httpx.Client(
            base_url=self.url + below, verify=self.trust, timeout=60, trust_env=False, **options
        )

    def log_in(self, below: str = "") -> httpx.Client:
        """Return a client that is logged in as the admin."""
        return self.client(below, headers={"Authorization": f"Bearer {self.server.login()}"})


@pytest.fixture(scope="module")
def proxied(
    program: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxied]:
    """A server that trusts the nginx in front of it."""
    authority = trustme.CA()
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    path = program("nginx")
    home = tmp_path_factory.mktemp("home")
    kinds = (
        *("login", "site", "account", "account_hour", "all_logins"),
        *("query", "config", "refresh", "address"),
    )
    limits = {f"rate_limit_{kind}": "10000/minute" for kind in kinds}
    with prepared_server(home, trusted_proxies="127.0.0.1", **limits) as server:
        port = urlsplit(server.url).port or 0
        with nginx(path, tmp_path_factory.mktemp("nginx"), port, authority) as url:
            yield Proxied(server, url, trust)
