"""Application factory: `create_app` is the only place that knows every blueprint and middleware."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from flask import Flask

from backend.blueprints.aliases import add_aliases
from backend.blueprints.api_keys import api_keys
from backend.blueprints.audit import audit
from backend.blueprints.auth import auth
from backend.blueprints.bot import bot
from backend.blueprints.configuration import configuration
from backend.blueprints.docs import docs_blueprint
from backend.blueprints.events import events
from backend.blueprints.exchange_keys import connections as connection_routes
from backend.blueprints.health import health
from backend.blueprints.markets import markets
from backend.blueprints.metrics import metrics
from backend.blueprints.oidc import oidc
from backend.blueprints.orders import orders
from backend.blueprints.passkeys import passkeys
from backend.blueprints.portfolio import portfolio
from backend.blueprints.positions import positions
from backend.blueprints.registration import mailed_codes
from backend.blueprints.risk import risk
from backend.blueprints.root import root
from backend.blueprints.sandbox import sandbox
from backend.blueprints.second_factor import second_factor
from backend.blueprints.streams import streams
from backend.blueprints.trades import trades
from backend.blueprints.users import users
from backend.blueprints.websocket import sockets
from backend.credentials import CredentialsService
from backend.identity import Identity
from backend.identity.first_admin import ensure_first_admin, require_some_user
from backend.middleware.access_log import with_access_log
from backend.middleware.api_version import BASE, with_unversioned_paths
from backend.middleware.audit import Audit, install_audit
from backend.middleware.auth import check_every_route_has_a_rule, install_auth
from backend.middleware.cors import install_cors
from backend.middleware.errors import install_errors
from backend.middleware.headers import with_answer_headers
from backend.middleware.load_shedding import LoadShedding
from backend.middleware.proxies import with_proxies
from backend.middleware.rate_limit import install_rate_limits
from backend.middleware.rate_limit_counter import RateLimits
from backend.middleware.routing import BackendFlask, install_path_check
from backend.observability.metrics import Metrics, ServerSource
from backend.reports import Reports
from backend.services import Services, install_services, services_of
from backend.store import Database
from backend.streams import TicketStore
from backend.websocket import ConnectionLimits

if TYPE_CHECKING:
    from backend.bridge import Bridge
    from backend.concurrency.host import Host
    from backend.settings.model import Settings
    from backend.streams import Hub

_RESOURCES = (
    auth,
    api_keys,
    second_factor,
    passkeys,
    oidc,
    mailed_codes,
    portfolio,
    orders,
    positions,
    trades,
    markets,
    connection_routes,
    configuration,
    bot,
    risk,
    streams,
    events,
    users,
    audit,
    sandbox,
)


def create_app(
    settings: Settings, bridge: Bridge, hub: Hub, host: Host, database: Database
) -> Flask:
    """Build an app on a bridge and a hub; end it with `close_app`.

    The arguments belong to the caller, who also closes them. Creates the first admin in
    an empty database.
    """
    app = BackendFlask("backend")
    parts = Services(
        settings=settings,
        host=host,
        database=database,
        identity=Identity(settings, database, host),
        bridge=bridge,
        hub=hub,
        reports=Reports(settings, database, host, bridge),
        credentials=CredentialsService(settings, database, host, bridge),
        rate_limits=RateLimits(app, settings, host) if settings.rate_limit_enabled else None,
        load_shedding=LoadShedding(lambda: bridge.lag_monitor.lag_s, settings.bot_lag, host),
        audit=Audit(database),
        metrics=Metrics(bridge, hub),
        tickets=TicketStore(),
        sockets=ConnectionLimits(settings.socket_clients),
    )
    install_services(app, parts)
    _install_middleware(app, settings)
    register_routes(app, production=settings.env == "production")
    check_every_route_has_a_rule(app)
    _wrap(app, parts)
    _create_first_admin(parts, settings)
    return app


def _install_middleware(app: Flask, settings: Settings) -> None:
    install_errors(app)
    install_rate_limits(app)
    install_auth(app)
    install_path_check(app)
    install_audit(app)
    install_cors(app, settings)


def add_server_metrics(app: Flask, server: ServerSource) -> None:
    """Add the connections of the app's server to its metrics."""
    services_of(app).metrics.server = server


def close_app(app: Flask) -> None:
    """Close what `create_app` opened."""
    services_of(app).close()


def register_routes(app: Flask, *, production: bool) -> None:
    """Add all routes."""
    app.url_map.merge_slashes = False  # a redirect would be an undocumented response
    for blueprint in _RESOURCES:
        app.register_blueprint(blueprint, url_prefix=BASE + (blueprint.url_prefix or ""))
    add_aliases(app, BASE)
    app.register_blueprint(root)
    app.register_blueprint(sockets)
    app.register_blueprint(health)
    app.register_blueprint(metrics)
    app.register_blueprint(docs_blueprint(production=production))


def _wrap(app: Flask, parts: Services) -> None:
    settings = parts.settings
    application = with_access_log(with_unversioned_paths(app.wsgi_app), parts.metrics.observe)
    application = with_answer_headers(application, production=settings.env == "production")
    application = with_proxies(application, settings.trusted_proxies)
    app.wsgi_app = application  # type: ignore[method-assign, assignment]  # as Flask documents it


def _create_first_admin(parts: Services, settings: Settings) -> None:
    if settings.env == "production" and settings.admin_password is None:
        require_some_user(parts.database)
    password = ensure_first_admin(parts.database, parts.identity.users, settings)
    if password is not None:
        name = settings.admin_username
        click.echo(f"First start: log in as {name} with the password {password}", err=True)
        click.echo("It is shown only now; BACKEND_ADMIN_PASSWORD sets one of your own.", err=True)
