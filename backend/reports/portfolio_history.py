"""Keeps the portfolio's value from time to time, in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import structlog
from sqlalchemy.orm import Session

from backend.errors import StoreUnavailable
from backend.ports.account_value import AccountValue
from backend.schemas.common import utc_now
from backend.settings.model import Settings
from backend.store import Database, snapshots
from backend.store import opening_prices as openings
from backend.store.snapshots import Snapshot

POLL_S = 0.25
TIDY_S = 3600.0
TIERS = (
    (timedelta(days=2), timedelta(minutes=5)),
    (timedelta(days=30), timedelta(hours=1)),
)
"""Beyond each age one snapshot of each interval is kept: the last."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_log = structlog.get_logger(__name__)


class PortfolioHistory:
    """Takes the first snapshot as soon as the account's value is known, then at the interval.

    After each it has the trades booked that came since the one before. While the
    database is away snapshots are left out; the thread goes on.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        worth: Callable[[], AccountValue | None],
        book_ahead: Callable[[AccountValue, threading.Event], None],
    ) -> None:
        self._interval_s = settings.snapshot_interval
        self._retention = timedelta(days=settings.snapshot_retention)
        self._database = database
        self._worth = worth
        self._book_ahead = book_ahead
        self._newest = database.read(snapshots.newest, settings.trading)
        self._priced: set[tuple[str, str]] = set()
        self._tidied: dict[timedelta, datetime] = {}
        self._tidy_at = 0.0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="snapshots", daemon=True)
        self._thread.start()

    @property
    def series(self) -> tuple[str, str] | None:
        """Whose values the newest snapshots are, and in which reference market."""
        newest = self._newest
        return None if newest is None else (newest.account, newest.reference_market)

    def close(self, timeout_s: float = 10.0) -> None:
        """End the thread."""
        self._closing.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        wait_s = 0.0
        while not self._closing.wait(wait_s):
            worth = self._worth()
            if worth is None or not worth.complete:
                wait_s = min(POLL_S, self._interval_s)
                continue
            wait_s = self._interval_s
            try:
                self._take(worth)
                self._tidy()
                self._book_ahead(worth, self._closing)
            except StoreUnavailable:
                _log.warning("portfolio snapshot left out: the database is away")
            except Exception as error:  # one is left out, not all that would follow
                _log.error("portfolio snapshot left out", exc_info=error)

    def _take(self, worth: AccountValue) -> None:
        snapshot = Snapshot(worth.account, utc_now(), worth.reference_market, worth.total_value)
        self._database.write(snapshots.add, [snapshot])
        self._newest = snapshot
        new = {(account, worth.reference_market) for account in worth.accounts.values()}
        if new - self._priced:
            self._database.write(_note_prices, worth)
            self._priced |= new

    def _tidy(self) -> None:
        if time.monotonic() < self._tidy_at:
            return
        now = utc_now()
        for age, interval in TIERS:
            # whole intervals only: what is thinned now must not be joined by more later
            until = now - age - (now - age - _EPOCH) % interval
            since = self._tidied.get(age)
            self._database.write(snapshots.thin, interval, since=since, until=until)
            self._tidied[age] = until
        self._database.write(snapshots.forget, now - self._retention)
        self._tidy_at = time.monotonic() + TIDY_S


def _note_prices(session: Session, worth: AccountValue) -> None:
    for account in worth.accounts.values():
        openings.note_prices(session, account, worth.reference_market, worth.prices)
