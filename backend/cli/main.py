"""Command `octobot-backend`: runs the server, and groups the administration commands."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from backend.cli import python_version
from backend.cli.api_keys import api_key
from backend.cli.audit import audit
from backend.cli.backup import backup, restore
from backend.cli.common import CliError
from backend.cli.common import settings as _settings
from backend.cli.credentials import credentials
from backend.cli.doctor import doctor
from backend.cli.secret_key import secret_key
from backend.cli.users import user
from backend.settings.describe import describe
from backend.settings.model import Settings, SettingsError

if TYPE_CHECKING:
    from socket import socket

    from backend.server.tls import Certificates

_RELAY_DRAIN_S = 2.0


@click.group(invoke_without_command=True)
@click.pass_context
def main(context: click.Context) -> None:
    """Run an OctoBot and serve it over HTTP. BACKEND_* variables configure it."""
    if context.invoked_subcommand is None:
        context.invoke(run)


@main.command()
def run() -> None:
    """Start the bot and serve it until SIGINT or SIGTERM (the default)."""
    settings = _settings()
    tls_certificates, listener = _prepare(settings)
    from backend.start import START_ERRORS  # imports OctoBot, which takes seconds

    try:
        _serve(settings, tls_certificates, listener)
    except START_ERRORS as error:
        raise CliError(str(error)) from None
    # OctoBot leaves tasks and threads behind; finalizing the interpreter under them crashes
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


@main.command()
def config() -> None:
    """Print the settings, secrets masked."""
    for name, value in describe(_settings()):
        click.echo(f"{name}={value}")


@main.command()
def openapi() -> None:
    """Print the API contract as in swagger.yaml."""
    from backend.app import register_routes
    from backend.middleware.routing import BackendFlask
    from backend.openapi.document import openapi_yaml

    app = BackendFlask("backend")
    register_routes(app, production=True)
    click.echo(openapi_yaml(app), nl=False)


main.add_command(api_key)
main.add_command(audit)
main.add_command(backup)
main.add_command(doctor)
main.add_command(restore)
main.add_command(user)
main.add_command(credentials)
main.add_command(secret_key)


def _prepare(settings: Settings) -> tuple[Certificates | None, socket]:
    """Check the certificate and the port before OctoBot is imported, which takes seconds."""
    from backend.server.server import listen
    from backend.server.tls import load_certificates

    try:
        return load_certificates(settings), listen(settings.host, settings.port)
    except SettingsError as error:
        raise CliError(str(error)) from None
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (while")[0]
        address = f"{settings.host}:{settings.port}"
        raise CliError(f"BACKEND_HOST, BACKEND_PORT: {address}: {reason}") from None


def _serve(settings: Settings, tls_certificates: Certificates | None, listener: socket) -> None:
    from backend.app import add_server_metrics
    from backend.concurrency.gevent_host import GeventHost
    from backend.server.admission import Admission
    from backend.server.admission_limits import admission_limits, open_files_limit
    from backend.server.server import Server, raise_open_files_limit, serve_until_signal
    from backend.start import running_app

    raise_open_files_limit()
    limits = admission_limits(
        open_files_limit(),
        settings.max_connections,
        settings.max_connections_per_address,
        settings.stream_clients,
    )
    with listener, running_app(settings, GeventHost()) as app:
        host, port = listener.getsockname()[:2]
        scheme = "http" if tls_certificates is None else "https"
        address = f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
        click.echo(f"OctoBot backend on {address}", err=True)
        if settings.trading == "real":
            exchanges = ", ".join(settings.exchange)
            click.echo(f"REAL TRADING: orders on {exchanges} move real money", err=True)
        if python_version.is_outdated():
            click.echo(python_version.WARNING, err=True)
        if settings.env == "development":
            click.echo(f"Documentation on {address}/docs", err=True)
        admission = Admission(limits, settings.trusted_proxies)
        server = Server(listener, app, certificates=tls_certificates, admission=admission)
        add_server_metrics(app, server)
        serve_until_signal(server)
    server.close_relays(_RELAY_DRAIN_S)  # the hub has ended by now
