"""Profit and loss of the bot's executions: books that grow with the list of trades."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

from backend.accounting.balances import assets_of
from backend.accounting.books import Book, Opening
from backend.accounting.drawdown import Fall, max_drawdown
from backend.accounting.exact import EXACT
from backend.accounting.report import BookKey, Market, report
from backend.errors import BotNotReady
from backend.schemas.accounting import Pnl, PnlQuery
from backend.schemas.common import MAX_PAGE, Page
from backend.schemas.trades import Trade, TradeQuery
from backend.schemas.worth import Worth
from backend.store import Database, openings, snapshots
from backend.store.openings import Held

if TYPE_CHECKING:
    from backend.bridge import Bridge

_FEW = 20
_FINEST = Decimal("1E-18")


class ProfitAndLoss:
    """Books every execution once, in the order of the trades' list; blocks while it does.

    An execution that an exchange tells late is booked when it is told, under
    its own time. The books begin anew when trades or opening balances are not
    those that they grew from.
    """

    def __init__(self, bridge: Bridge, database: Database) -> None:
        self._bridge = bridge
        self._database = database
        self._lock = threading.Lock()
        self._newest: str | None = None
        self._books: dict[BookKey, Book] = {}
        self._held: frozenset[Held] = frozenset()
        self._prices: dict[tuple[str, str], Decimal | None] = {}
        self._openings: dict[tuple[str, str], Opening] = {}

    def read(self, query: PnlQuery) -> Pnl:
        """Return what the executions that a query asks for came to."""
        worth = self._bridge.portfolio.worth()
        if worth is None:
            raise BotNotReady("the portfolio is not known yet")
        market = Market(self._bridge.portfolio.prices(), worth.reference_market)
        fall = self._fall(worth, query)
        with self._lock:
            self._catch_up(worth)
            return report(self._books, market, query, fall)

    def _fall(self, worth: Worth, query: PnlQuery) -> Fall | None:
        if query.symbol is not None:
            return None
        values = self._database.read(
            snapshots.values_of,
            worth.account,
            worth.reference_market,
            since=query.since,
            until=query.until,
        )
        return max_drawdown(values)

    def _catch_up(self, worth: Worth) -> None:
        accounts = sorted(worth.accounts.values())
        held = self._database.read(openings.of_accounts, accounts, worth.reference_market)
        if held != self._held:
            self._begin(held)
        new = list(self._newer_than(self._newest))
        if self._newest is not None and new and new[-1].id != self._newest:
            self._begin(held)
        for trade in reversed(new):
            if trade.id != self._newest:
                account = worth.accounts.get(trade.exchange)
                self._book(trade.exchange, trade.symbol, account).add(trade)
        if new:
            self._newest = new[0].id

    def _begin(self, held: frozenset[Held]) -> None:
        self._held = held
        self._prices = {(row.account, row.asset): row.price for row in held}
        self._openings = {(row.account, row.asset): Opening(row.quantity) for row in held}
        self._books = {}
        self._newest = None

    def _book(self, exchange: str, symbol: str, account: str | None) -> Book:
        key = (exchange, symbol)
        if key not in self._books:
            if account is None or ":" in symbol:  # not connected now, or nothing to hold
                self._books[key] = Book(symbol)
            else:
                base, _ = assets_of(symbol)
                opening = self._openings.setdefault((account, base), Opening())
                self._books[key] = Book(symbol, opening, self._opening_price(account, symbol))
        return self._books[key]

    def _opening_price(self, account: str, symbol: str) -> Decimal | None:
        base, quote = (self._prices.get((account, asset)) for asset in assets_of(symbol))
        return (
            EXACT.divide(base, quote).quantize(_FINEST, context=EXACT) if base and quote else None
        )

    def _newer_than(self, trade_id: str | None) -> Iterator[Trade]:
        """Walk from the newest trade to this one, or to the oldest if it is not found."""
        for trade in self._all_trades():
            yield trade
            if trade.id == trade_id:
                return

    def _all_trades(self) -> Iterator[Trade]:
        limit = MAX_PAGE if self._newest is None else _FEW
        query = TradeQuery.model_validate({"limit": limit})
        while True:
            body = self._bridge.trades.page(query).body
            page = Page[Trade].model_validate_json(body)
            yield from page.data
            if page.pagination.next_cursor is None:
                return
            query = query.model_copy(update={"cursor": page.pagination.next_cursor})
