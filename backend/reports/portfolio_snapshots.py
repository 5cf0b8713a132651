"""Snapshots of the portfolio's value: recorded and thinned out by a background thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import structlog
from sqlalchemy.orm import Session

from backend.errors import StoreUnavailable
from backend.ports.account_value import AccountValue
from backend.schemas.common import utc_now
from backend.settings.model import Settings
from backend.store import Database, opening_prices, snapshots
from backend.store.snapshots import Snapshot

POLL_S = 0.25
THIN_OUT_S = 3600.0
RETENTION_TIERS = (
    (timedelta(days=2), timedelta(minutes=5)),
    (timedelta(days=30), timedelta(hours=1)),
)
"""Age and interval: beyond each age the last snapshot of each interval is kept."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_log = structlog.get_logger(__name__)


class PortfolioSnapshots:
    """Records a snapshot as soon as the account's value is known, then at the interval.

    While an asset has no price there is none: the history has a gap. After each it runs
    `process_executions` for the trades since the one before. While the database is
    unavailable snapshots are skipped.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        read_value: Callable[[], AccountValue | None],
        process_executions: Callable[[AccountValue, threading.Event], None],
    ) -> None:
        self._interval_s = settings.snapshot_interval
        self._retention = timedelta(days=settings.snapshot_retention)
        self._database = database
        self._read_value = read_value
        self._process_executions = process_executions
        self._newest = database.read(snapshots.find_latest, settings.trading)
        self._accounts_with_prices: set[tuple[str, str]] = set()
        self._thinned_until: dict[timedelta, datetime] = {}
        self._thin_out_at = 0.0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="snapshots", daemon=True)
        self._thread.start()

    @property
    def series(self) -> tuple[str, str] | None:
        """Account and reference market of the newest snapshots."""
        newest = self._newest
        return None if newest is None else (newest.account, newest.reference_market)

    def close(self, timeout_s: float = 10.0) -> None:
        """Stop the thread."""
        self._closing.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        wait_s = 0.0
        while not self._closing.wait(wait_s):
            value = self._read_value()
            if value is None or not value.complete:
                wait_s = min(POLL_S, self._interval_s)
                continue
            wait_s = self._interval_s
            try:
                if value.total_value is not None:
                    self._record_snapshot(value, value.total_value)
                self._store_opening_prices(value)
                self._thin_out()
                self._process_executions(value, self._closing)
            except StoreUnavailable:
                _log.warning("portfolio snapshot skipped: the database is unavailable")
            except Exception as error:  # only one snapshot is skipped; the thread continues
                _log.error("portfolio snapshot skipped", exc_info=error)

    def _record_snapshot(self, value: AccountValue, total: Decimal) -> None:
        snapshot = Snapshot(value.account, utc_now(), value.reference_market, total)
        self._database.write(snapshots.insert_all, [snapshot])
        self._newest = snapshot

    def _store_opening_prices(self, value: AccountValue) -> None:
        new = {(account, value.reference_market) for account in value.accounts.values()}
        if new - self._accounts_with_prices:
            self._database.write(_store_opening_prices, value)
            self._accounts_with_prices |= new

    def _thin_out(self) -> None:
        if time.monotonic() < self._thin_out_at:
            return
        now = utc_now()
        for age, interval in RETENTION_TIERS:
            # whole intervals only: no snapshot may be added to a thinned interval later
            until = now - age - (now - age - _EPOCH) % interval
            since = self._thinned_until.get(age)
            self._database.write(
                snapshots.keep_last_per_interval, interval, since=since, until=until
            )
            self._thinned_until[age] = until
        self._database.write(snapshots.delete_before, now - self._retention)
        self._thin_out_at = time.monotonic() + THIN_OUT_S


def _store_opening_prices(session: Session, value: AccountValue) -> None:
    for account in value.accounts.values():
        opening_prices.insert_or_ignore(session, account, value.reference_market, value.prices)
