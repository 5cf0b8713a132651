"""Reports service: profit and loss, portfolio history, CSV export, risk limits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from backend.concurrency.host import Host
from backend.pagination import decode_cursor, encode_cursor
from backend.reports.csv_export import CsvExports
from backend.reports.pnl import PAUSE_S, ProfitAndLoss
from backend.reports.portfolio_snapshots import PortfolioSnapshots
from backend.reports.risk_limits import RiskLimitsService
from backend.schemas.accounting import HistoryQuery, Pnl, PnlQuery, PortfolioValue
from backend.schemas.common import Page, Pagination
from backend.schemas.risk import Risk, RiskChange
from backend.schemas.trades import TradeQuery
from backend.settings.model import Settings
from backend.store import Database, snapshots

if TYPE_CHECKING:
    from backend.bridge import Bridge

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_LAST_SECOND = 253_402_300_799  # of the year 9999
_SECONDS = {"m": 60, "h": 3600, "d": 86_400}


class Reports:
    """Reports of one app; thread-safe. Records snapshots from construction until `close`.

    Construct it before the bot boots: changed limits apply from the first order on.
    """

    def __init__(self, settings: Settings, database: Database, host: Host, bridge: Bridge) -> None:
        self._database = database
        self._host = host
        self._bridge = bridge
        self._csv = CsvExports(host)
        self._pnl = ProfitAndLoss(bridge, database)
        self._risk = RiskLimitsService(bridge, database)
        self._history = PortfolioSnapshots(
            settings, database, bridge.portfolio.account_value, self._pnl.process_all
        )

    def pnl(self, query: PnlQuery) -> Pnl:
        """Return profit and loss; raises `BotNotReady` while the bot does not run."""
        # in batches: the first queries after a start would block all threads for seconds,
        # and make the database's other readers wait
        while self._host.call_blocking(self._pnl.process_batch):
            self._host.yield_for(PAUSE_S)
        return self._host.call_blocking(self._pnl.read, query)

    def trades_csv(self, query: TradeQuery) -> Iterator[bytes]:
        """Return the trades that a query selects as CSV, in chunks; its limit does not apply."""
        return self._csv.trades(self._bridge.trades.page, query)

    def portfolio_values(self, query: HistoryQuery) -> Page[PortfolioValue]:
        """Return the portfolio's last value of each interval, newest first."""
        kind = f"portfolio-{query.interval}"
        before = decode_cursor(kind, query.cursor)
        series = self._history.series
        if series is None:
            return Page(data=[], pagination=Pagination(limit=query.limit))
        interval = timedelta(seconds=int(query.interval[:-1]) * _SECONDS[query.interval[-1]])
        rows = self._database.read(
            snapshots.list_per_interval,
            series[0],
            interval,
            query.limit + 1,
            since=query.since,
            until=query.until
            if before is None
            else _EPOCH + timedelta(seconds=min(before, _LAST_SECOND)),
        )
        listed, more = rows[: query.limit], rows[query.limit :]
        cursor = None
        if more:
            oldest = listed[-1].taken_at - _EPOCH
            cursor = encode_cursor(kind, int((oldest - oldest % interval).total_seconds()))
        return Page(
            data=[
                PortfolioValue(
                    time=row.taken_at,
                    total_value=row.total_value,
                    reference_market=row.reference_market,
                )
                for row in listed
            ],
            pagination=Pagination(limit=query.limit, next_cursor=cursor),
        )

    def risk(self) -> Risk:
        """Return the risk limits in force."""
        return self._risk.read()

    def change_risk(self, change: RiskChange) -> Risk:
        """Change risk limits; raises `StoreUnavailable`, with nothing changed."""
        return self._host.call_blocking(self._risk.change, change)

    def close(self) -> None:
        """Stop recording snapshots."""
        self._history.close()
