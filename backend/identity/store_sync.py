"""Keeps what is in memory true to the store: own changes at once, others' within seconds."""

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
from backend.store import Database
from backend.store import identity_version as changes

P = ParamSpec("P")
T = TypeVar("T")

POLL_S = 1.0
WRITE_S = 60.0
_log = structlog.get_logger(__name__)


class StoreSync:
    """The way that changes of users, sessions and keys take to the store and into memory.

    Each is counted in the store. A thread looks at that one number, and so
    learns of what the command `octobot-backend user` did in another process.
    """

    def __init__(self, database: Database) -> None:
        self.standing = TokenStatus()
        self.uses = LastUsed()
        self._database = database
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="identity", daemon=True)

    def start(self) -> None:
        """Take over what is in the store, and follow it from here on."""
        self._database.read(self.standing.load)
        self._thread.start()

    def change(
        self, work: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `work(session, ...)` in a transaction; it is in force when this returns."""

        def counted(session: Session) -> T:
            result = work(session, *args, **kwargs)
            changes.note(session)
            return result

        result = self._database.write(counted)
        try:
            self._database.read(self.standing.load)
        except StoreUnavailable:  # it is done all the same, and the thread will see it
            _log.warning("a change of users or keys takes force later: the database is away")
        return result

    def write_uses(self) -> None:
        """Write when sessions and keys were last used."""
        if len(self.uses):
            self._database.write(self.uses.write)

    def close(self, timeout_s: float = 10.0) -> None:
        """Write what was noted last and end the thread."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        write_at = time.monotonic() + WRITE_S
        closing, was_away = False, False
        while not closing:
            closing = self._closing.wait(POLL_S)
            try:
                self._follow()
                if closing or time.monotonic() >= write_at:
                    self.write_uses()
                    write_at = time.monotonic() + WRITE_S
                was_away = False
            except StoreUnavailable:
                if not was_away:  # said once, not every second
                    _log.warning("changes of users and keys wait: the database is away")
                was_away = True
            except Exception as error:  # without this thread no revocation would be noticed
                _log.error("changes of users and keys wait", exc_info=error)

    def _follow(self) -> None:
        if self._database.read(changes.number) != self.standing.number:
            self._database.read(self.standing.load)
