"""Trades service: executions, newest first; called from any thread."""

from __future__ import annotations

from collections.abc import Sequence

from backend.bridge.ledger.journal_pages import Line, with_older
from backend.bridge.ledger.ledger import Ledger
from backend.bridge.read_models.envelopes import serialize_page
from backend.bridge.read_models.page_cache import PageCache
from backend.bridge.runtime.runner import BotRunner
from backend.concurrency.host import Host
from backend.errors import TradeNotFound
from backend.pagination import decode_cursor, encode_cursor
from backend.ports.journal import OrderJournal, SerializedTrade
from backend.ports.serialized import SerializedResponse
from backend.schemas.trades import Execution, Trade, TradeQuery, execution_of


class Trades:
    """Executions on every exchange of the bot's accounts."""

    def __init__(
        self, runner: BotRunner, ledger: Ledger, journal: OrderJournal, host: Host
    ) -> None:
        self._runner = runner
        self._ledger = ledger
        self._journal = journal
        self._host = host
        self._pages = PageCache()

    def page(self, query: TradeQuery) -> SerializedResponse:
        """Return one page of trades, newest first; new ones do not shift later pages."""
        self._runner.executor.require_ready()
        version = self._ledger.version
        return self._pages.get(version, query, lambda: self._build_page(query))

    def _build_page(self, query: TradeQuery) -> SerializedResponse:
        before = decode_cursor("trades", query.cursor)

        def wanted(trade: Trade) -> bool:
            return (
                (query.symbol is None or trade.symbol == query.symbol)
                and (query.since is None or trade.executed_at >= query.since)
                and (query.until is None or trade.executed_at < query.until)
            )

        kept, more = self._ledger.trades.page(query.limit, before, wanted)
        found = [Line(entry.place, entry.json) for entry in kept]
        if more is None and not self._ledger.trades.complete:
            found, more = with_older(
                self._ledger.trades,
                found,
                query.limit,
                before,
                lambda place, count: self._older(query, place, count),
                self._line,
            )
        cursor = None if more is None else encode_cursor("trades", more)
        return serialize_page((line.json for line in found), query.limit, cursor)

    def get(self, trade_id: str) -> Trade:
        """Return one trade. Raises `TradeNotFound`."""
        self._runner.executor.require_ready()
        entry = self._ledger.trades.get(trade_id)
        if entry is not None:
            return entry.item
        stored = self._host.call_blocking(self._journal.find_trade, trade_id)
        if stored is None:
            raise TradeNotFound("no trade has this id")
        return stored.trade

    @property
    def replacements(self) -> int:
        """A number that grows when a trade is removed, because executions replace it."""
        fills = self._ledger.real_fills
        return 0 if fills is None else fills.replacements

    @property
    def have_exchange_times(self) -> bool:
        """Whether the times of trades are an exchange's, whose order is theirs."""
        return self._ledger.real_fills is not None

    def following(self, place: int, limit: int) -> tuple[int, Sequence[Execution]]:
        """Return the executions after a place, oldest first, and the place to continue from.

        Up to `limit` are read; the place stays the same at the end of the list. Blocks,
        and raises `JournalUnavailable`.
        """
        kept = self._ledger.trades
        oldest = kept.oldest_place
        if place + 1 < oldest and not kept.complete:
            rows = self._journal.executions_between(place, oldest, limit)
            if rows:
                mine = [row.execution for row in rows if self._is_mine(row.account)]
                return rows[-1].place, mine
        entries = kept.after(place, limit)
        reached = entries[-1].place if entries else place
        return reached, [execution_of(entry.item) for entry in entries]

    def _is_mine(self, account: str) -> bool:
        return account == self._ledger.account(account.partition(":")[0])

    def _older(self, query: TradeQuery, place: int, count: int) -> Sequence[SerializedTrade]:
        return self._host.call_blocking(
            self._journal.trades_before,
            place,
            count,
            symbol=query.symbol,
            since=query.since,
            until=query.until,
        )

    def _line(self, row: SerializedTrade) -> Line | None:
        return Line(row.place, row.json) if self._is_mine(row.account) else None
