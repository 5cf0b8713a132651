"""Start and shutdown of the whole backend in this process, for any WSGI server."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from backend.app import close_app, create_app
from backend.bridge import Bridge, require_known_exchanges
from backend.bridge.live.reconciliation import GIVE_UP_AFTER_S
from backend.concurrency.cpu_affinity import SingleCoreAffinity
from backend.concurrency.gc_tuning import freeze_startup_objects
from backend.concurrency.host import Host
from backend.credentials import stored_keys
from backend.errors import StoreUnavailable
from backend.observability.log_targets import LogTarget, StdoutDestination, SyslogDestination
from backend.observability.logs import Logs
from backend.ports.journal import JournalUnavailable
from backend.settings.model import Settings, SettingsError
from backend.store import Database, HomeLock, HomeLocked, StoreError
from backend.store.journal import Journal
from backend.store.restore import refuse_unfinished_restore
from backend.streams import Hub, Intervals, LogTopic

_STDOUT = 1
START_ERRORS = (SettingsError, StoreError, HomeLocked)
"""The errors of `running_app` when it cannot start; the text is one line for the user."""


@contextmanager
def running_app(
    settings: Settings, host: Host, *, give_up_after_s: float = GIVE_UP_AFTER_S
) -> Iterator[Flask]:
    """Start the bot and yield the app; at the end, stop all parts in order.

    `give_up_after_s` is that of `Bridge`.
    """
    _refuse_patched_sockets()
    require_known_exchanges(settings)
    with ExitStack() as stack:
        stack.enter_context(closing(HomeLock(settings.home)))
        refuse_unfinished_restore(settings.home)
        if settings.share_core:  # first: new threads inherit the affinity
            stack.enter_context(closing(SingleCoreAffinity()))
        logs = stack.enter_context(closing(_open_logs(settings)))
        database = stack.enter_context(closing(Database(settings, host)))
        database.check_and_upgrade()
        app, bridge = _build(stack, settings, host, database, logs, give_up_after_s)
        bridge.boot()
        yield app


def _build(
    stack: ExitStack,
    settings: Settings,
    host: Host,
    database: Database,
    logs: Logs,
    give_up_after_s: float,
) -> tuple[Flask, Bridge]:
    """Build the parts on an open database; raises `StoreError` when it cannot be read."""
    with _translated_store_errors(database):
        journal = stack.enter_context(closing(Journal(database)))
        hub = Hub(
            settings.stream_buffer,
            host,
            journal=journal,
            retention=timedelta(days=settings.stream_retention),
            intervals=Intervals(heartbeat_s=settings.stream_heartbeat),
            max_streams=settings.stream_clients,
            max_streams_per_user=settings.stream_clients_per_user,
        )
        stack.callback(hub.close)
        logs.set_listener(LogTopic(hub).publish_line)
        keys = stored_keys(settings, database)
        bridge = Bridge(
            settings,
            hub,
            host,
            journal,
            keys=keys,
            give_up_after_s=give_up_after_s,
            on_booted=freeze_startup_objects,
        )
        stack.callback(bridge.close)
        app = create_app(settings, bridge, hub, host, database)
        stack.callback(close_app, app)
        return app, bridge


def _open_logs(settings: Settings) -> Logs:
    targets = []
    if "stdout" in settings.log_targets:
        targets.append(LogTarget(StdoutDestination(_STDOUT), "stdout"))
    if "syslog" in settings.log_targets:
        targets.append(LogTarget(SyslogDestination(settings.syslog_address), "syslog"))
    folder = settings.home / "logs" if "file" in settings.log_targets else None
    return Logs(folder, sys.stderr, targets)


@contextmanager
def _translated_store_errors(database: Database) -> Iterator[None]:
    """Translate what a damaged database makes of reading it into `StoreError`."""
    try:
        yield
    except (SQLAlchemyError, JournalUnavailable, StoreUnavailable) as error:
        raise database.unusable(error) from error
    except (ValueError, LookupError, TypeError, ArithmeticError) as error:
        if not _is_raised_by_store(error):
            raise
        raise database.unusable(error) from error


def _is_raised_by_store(error: BaseException) -> bool:
    """Return whether the reading of a stored row failed, and no other code."""
    frames = traceback.walk_tb(error.__traceback__)
    names = [str(frame.f_globals.get("__name__")) for frame, _line in frames]
    return any(name.startswith("backend.store.") for name in names)


def _refuse_patched_sockets() -> None:
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None and monkey.is_module_patched("socket"):
        raise SettingsError(
            "this server patches sockets, which breaks the bot's own event loop: "
            "run python wsgi.py, or gunicorn with --worker-class gthread --workers 1"
        )
