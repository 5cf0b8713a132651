"""Synchronizes `TokenStatus` with the store: own changes at once, others' within a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

import structlog
from sqlalchemy.orm import Session

from backend.errors import StoreUnavailable
from backend.identity.last_used import LastUsed
from backend.identity.token_status import TokenStatus
from backend.store import Database, identity_version

P = ParamSpec("P")
T = TypeVar("T")

POLL_S = 1.0
WRITE_S = 60.0
_log = structlog.get_logger(__name__)


class StoreSync:
    """Writes changes of users, sessions and API keys through to the store and reloads them.

    Each change increments a version in the store. A thread polls that number, and so
    detects changes by `octobot-backend user` in another process.
    """

    def __init__(self, database: Database) -> None:
        self.token_status = TokenStatus()
        self.last_used = LastUsed()
        self._database = database
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="identity", daemon=True)

    def start(self) -> None:
        """Load the store's state and start polling for changes."""
        self._database.read(self.token_status.load)
        self._thread.start()

    def change(
        self, work: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `work(session, ...)` in a transaction; its change is in force when this returns."""

        def counted(session: Session) -> T:
            result = work(session, *args, **kwargs)
            identity_version.increment(session)
            return result

        result = self._database.write(counted)
        try:
            self._database.read(self.token_status.load)
        except StoreUnavailable:  # it is committed all the same, and the thread will load it
            _log.warning("identity change takes effect later: the database is unavailable")
        return result

    def write_last_used(self) -> None:
        """Write the recorded last uses of sessions and keys."""
        if len(self.last_used):
            self._database.write(self.last_used.write)

    def close(self, timeout_s: float = 10.0) -> None:
        """Write the last recorded uses and stop the thread."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        write_at = time.monotonic() + WRITE_S
        closing, was_away = False, False
        while not closing:
            closing = self._closing.wait(POLL_S)
            try:
                self._reload_if_changed()
                if closing or time.monotonic() >= write_at:
                    self.write_last_used()
                    write_at = time.monotonic() + WRITE_S
                was_away = False
            except StoreUnavailable:
                if not was_away:  # logged once, not every second
                    _log.warning("identity changes not read: the database is unavailable")
                was_away = True
            except Exception as error:  # without this thread no revocation would be noticed
                _log.error("identity changes not read", exc_info=error)

    def _reload_if_changed(self) -> None:
        if self._database.read(identity_version.get) != self.token_status.version:
            self._database.read(self.token_status.load)
