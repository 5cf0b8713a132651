"""Trades: executions, newest first."""

from __future__ import annotations

from backend.bridge.answers import prepare_page
from backend.bridge.engine import Engine
from backend.bridge.ledger import Ledger
from backend.cursors import decode_cursor, encode_cursor
from backend.errors import TradeNotFound
from backend.schemas.prepared import Prepared
from backend.schemas.trades import Trade, TradeQuery


class Trades:
    """Executions on every exchange."""

    def __init__(self, engine: Engine, ledger: Ledger, start: str) -> None:
        self._engine = engine
        self._ledger = ledger
        self._start = start

    def page(self, query: TradeQuery) -> Prepared:
        """Return one page of trades, newest first; new ones do not shift later pages."""
        self._engine.require_ready()
        before = decode_cursor("trades", query.cursor)

        def wanted(trade: Trade) -> bool:
            return (
                (query.symbol is None or trade.symbol == query.symbol)
                and (query.since is None or trade.executed_at >= query.since)
                and (query.until is None or trade.executed_at < query.until)
            )

        version = self._ledger.version
        found, more = self._ledger.trades.page(query.limit, before, wanted)
        cursor = None if more is None else encode_cursor("trades", more)
        tag = (
            f'"{self._start}-trades-{version}-{query.symbol}-{query.since}-{query.until}'
            f'-{query.limit}-{before}"'
        )
        return prepare_page(
            (entry.json for entry in found), query.limit, cursor, tag.replace(" ", "")
        )

    def get(self, trade_id: str) -> Trade:
        """Return one trade. Raises `TradeNotFound`."""
        self._engine.require_ready()
        entry = self._ledger.trades.get(trade_id)
        if entry is None:
            raise TradeNotFound("no trade has this id")
        return entry.item
