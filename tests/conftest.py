"""The whole backend with a real bot on the sandbox exchange, for tests that ask its API."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import hypothesis
import pytest
import pytest_socket
import structlog
from flask import Flask

with warnings.catch_warnings():  # OctoBot's own imports warn
    warnings.simplefilter("ignore")
    import backend.bridge  # noqa: F401

from backend.app import close_app, create_app
from backend.services import Services
from tests.api_client import ApiClient, NewClient, running_backend
from tests.databases import Cluster, make_settings, make_tables, running_cluster
from tests.http_server import HttpServer

hypothesis.settings.register_profile(
    "a slow machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("a slow machine")

USE_OCTOBOT = {"blueprints", "bridge", "credentials", "exchanges", "recovery", "sandbox"}
"""Folders whose claims depend on the version of OctoBot or ccxt."""
IGNORE_OCTOBOT = {("sandbox", "market")}
"""Folders in those whose claims do not."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of a run that follows a whole one on the other OctoBot line."""
    parser.addoption(
        "--second-line",
        action="store_true",
        help="import all, run only what depends on OctoBot or is marked as every_line",
    )


@pytest.hookimpl(trylast=True)  # after the shuffling
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the long files, so that no worker ends with one while the others have nothing."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
    if len({item.nodeid for item in items}) < len(items):
        raise pytest.UsageError("tests bear the same name: xdist runs only one of them")
    if config.getoption("--second-line"):
        left_out = [item for item in items if not _runs_on_every_line(item)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if _runs_on_every_line(item)]


def _runs_on_every_line(item: pytest.Item) -> bool:
    first, second, *_ = (*item.path.relative_to(Path(__file__).parent).parts, "")
    depends = first in USE_OCTOBOT and (first, second) not in IGNORE_OCTOBOT
    return depends or item.get_closest_marker("every_line") is not None


def pytest_runtest_setup() -> None:
    """Shut every way out of this machine; log tracebacks as Python prints them."""
    pytest_socket.socket_allow_hosts(["127.0.0.1", "::1"], allow_unix_socket=True)
    if not structlog.is_configured():  # its own way, with all locals, takes up to a second each
        plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        structlog.configure(processors=[structlog.processors.add_log_level, plain])


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server; skips where the machine has none."""
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home's SQLite database with its tables, to be copied: faster than all migrations."""
    settings = make_settings(tmp_path_factory.mktemp("migrated"))
    make_tables(settings)
    return settings.home / "backend.db"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """Everything put together; the tests of a file share it."""
    with running_backend(tmp_path_factory.mktemp("home")) as app:
        yield app


@pytest.fixture(scope="module")
def served(app: Flask) -> Iterator[HttpServer]:
    """The same behind a real port."""
    served = HttpServer(app)
    yield served
    served.close()


@pytest.fixture
def client(app: Flask) -> ApiClient:
    """A client that is not logged in; `as_trader()` and its like return one that is."""
    return ApiClient(app)


@pytest.fixture
def start_client(app: Flask) -> Iterator[NewClient]:
    """Start further apps on the same bot, with settings of their own."""
    with ExitStack() as stack:

        def start(**changes: object) -> ApiClient:
            parts: Services = app.extensions["backend"]
            settings = parts.settings.model_copy(update=changes)
            other = create_app(settings, parts.bridge, parts.hub, parts.host, parts.database)
            stack.callback(close_app, other)
            return ApiClient(other)

        yield start
