"""A real identity service on a real database, and a small app that asks it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

import pytest
from flask import Flask
from flask.testing import FlaskClient

from backend.blueprints.aliases import add_aliases
from backend.blueprints.api_keys import api_keys
from backend.blueprints.audit import audit
from backend.blueprints.auth import auth
from backend.blueprints.oidc import oidc
from backend.blueprints.passkeys import passkeys
from backend.blueprints.registration import mailed_codes
from backend.blueprints.second_factor import second_factor
from backend.blueprints.users import users
from backend.concurrency.host import ThreadHost
from backend.identity import Identity
from backend.identity.passwords import Passwords
from backend.middleware.audit import Audit, install_audit
from backend.middleware.auth import check_every_route_has_a_rule, install_auth
from backend.middleware.errors import install_errors
from backend.middleware.headers import with_answer_headers
from backend.middleware.load_shedding import LoadShedding
from backend.middleware.rate_limit import install_rate_limits
from backend.middleware.rate_limit_counter import RateLimits
from backend.middleware.routing import install_path_check
from backend.schemas.auth import Role, Tokens
from backend.schemas.common import utc_now
from backend.services import Services, install_services, services_of
from backend.settings.model import Settings
from backend.store import Database
from backend.store.users import NewUser, insert
from backend.streams import TicketStore
from backend.websocket import ConnectionLimits
from tests.databases import make_settings

if TYPE_CHECKING:
    from backend.bridge import Bridge
    from backend.credentials import CredentialsService
    from backend.observability.metrics import Metrics
    from backend.reports import Reports
    from backend.streams import Hub

PASSWORD = "correct horse battery staple"
SECRET = "a secret that is only used in tests"
NOWHERE = ("127.0.0.1", "tests")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    kinds = (
        *("login", "site", "account", "account_hour", "all_logins", "known_login", "proof"),
        *("config", "refresh", "query"),
    )
    plenty = dict.fromkeys(kinds, "1000/minute")
    limits = {f"rate_limit_{kind}": rate for kind, rate in plenty.items()}
    return make_settings(tmp_path, secret_key=SECRET, **limits)


@pytest.fixture
def database(settings: Settings, migrated_file: Path) -> Iterator[Database]:
    if settings.database_url is None:
        shutil.copy(migrated_file, settings.home)
    database = Database(settings, ThreadHost())
    yield database
    database.close()


StartIdentity = Callable[..., Identity]


@pytest.fixture
def start_identity(settings: Settings, database: Database) -> Iterator[StartIdentity]:
    """Start an identity service on the database, as each start of the server does."""
    started: list[Identity] = []

    def start(**changes: object) -> Identity:
        changed = settings.model_copy(update=changes)
        started.append(Identity(changed, database, ThreadHost()))
        return started[-1]

    yield start
    for identity in started:
        identity.close()


@pytest.fixture(scope="session")
def password_hash() -> str:
    """The hash of PASSWORD; computed once, since hashing is slow on purpose."""
    with closing(Passwords(ThreadHost())) as passwords:
        return passwords.hash(PASSWORD)


@pytest.fixture
def identity(database: Database, password_hash: str, start_identity: StartIdentity) -> Identity:
    """A service that knows one user of each role, named after it."""
    for role in get_args(Role):
        database.write(insert, NewUser(role, password_hash, role, utc_now()))
    return start_identity()


@pytest.fixture
def tokens(identity: Identity) -> Tokens:
    return identity.login("trader", PASSWORD, *NOWHERE)


@pytest.fixture
def app(settings: Settings, database: Database, identity: Identity) -> Iterator[Flask]:
    app = Flask("tests", static_folder=None)
    host = ThreadHost()
    # neither bot nor streams nor reports nor connections have a part in this
    parts = Services(
        settings=settings,
        host=host,
        database=database,
        identity=identity,
        bridge=cast("Bridge", None),
        hub=cast("Hub", None),
        reports=cast("Reports", None),
        credentials=cast("CredentialsService", None),
        rate_limits=RateLimits(app, settings, host) if settings.rate_limit_enabled else None,
        load_shedding=LoadShedding(lambda: 0.0, 0.1, host),
        audit=Audit(database),
        metrics=cast("Metrics", None),
        tickets=TicketStore(),
        sockets=ConnectionLimits(settings.socket_clients),
    )
    install_services(app, parts)
    install_errors(app)
    install_auth(app)
    install_path_check(app)
    install_rate_limits(app)
    install_audit(app)
    app.register_blueprint(auth)
    app.register_blueprint(audit)
    app.register_blueprint(users)
    app.register_blueprint(api_keys)
    app.register_blueprint(second_factor)
    app.register_blueprint(passkeys)
    app.register_blueprint(oidc)
    app.register_blueprint(mailed_codes)
    add_aliases(app)
    check_every_route_has_a_rule(app)
    app.wsgi_app = with_answer_headers(app.wsgi_app)  # type: ignore[method-assign]
    yield app
    parts.audit.close()


def change_rate_limits(app: Flask, settings: Settings) -> None:
    """Give the app other limits than it was made with."""
    limits = RateLimits(app, settings, ThreadHost())
    install_services(app, replace(services_of(app), rate_limits=limits))


@pytest.fixture
def recorder(app: Flask) -> Audit:
    return cast(Audit, services_of(app).audit)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def bearer(access_token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {access_token}"}
