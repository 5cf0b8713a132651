"""The whole backend behind a real port, and sockets to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from tests.api import ApiClient
from tests.http.served import Served
from tests.sockets.peer import Peer

Connect = Callable[..., Peer]


@pytest.fixture(scope="module")
def served(app: Flask) -> Iterator[Served]:
    served = Served(app)
    yield served
    served.close()


@pytest.fixture
def connect(client: ApiClient, served: Served) -> Iterator[Connect]:
    """Open sockets, as a trader unless other headers are given."""
    opened: list[Peer] = []
    trader = client.as_trader().headers

    def connect_(
        target: str = "/ws", headers: dict[str, str] | None = None, **options: Any
    ) -> Peer:
        opened.append(Peer(served.port, target, trader if headers is None else headers, **options))
        return opened[-1]

    yield connect_
    for peer in opened:
        peer.close()
