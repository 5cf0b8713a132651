"""A real server for real clients."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator

import pytest

from benchmarks.live import LiveServer, free_port
from tests.prepared_server import prepared_server


@pytest.fixture(scope="session")
def page_port() -> int:
    """Where the browser's page is served from; the server must know its origin."""
    return free_port()


@pytest.fixture(scope="module")
def server(page_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with the default limits."""
    home = tmp_path_factory.mktemp("home")
    with prepared_server(home, cors_origins=f"http://127.0.0.1:{page_port}") as server:
        yield server


@pytest.fixture(scope="session")
def program() -> Callable[..., str]:
    """Find a program on this machine by any of its names, or skip the test."""

    everywhere = f"{os.environ['PATH']}:/usr/sbin"  # where Debian has its servers

    def find(*names: str) -> str:
        for name in names:
            if path := shutil.which(name, path=everywhere):
                return path
        pytest.skip(f"{names[0]} is not installed")

    return find
