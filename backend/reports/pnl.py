"""Profit and loss of the bot's executions: books that grow with the list of trades."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from backend.accounting.balances import assets_of
from backend.accounting.decimals import EXACT
from backend.accounting.drawdown import MaxDrawdown, max_drawdown
from backend.accounting.fifo import FifoLots, OpeningLot
from backend.accounting.pnl_report import BookKey, Market, report
from backend.errors import BotNotReady, StoreUnavailable
from backend.ports.account_value import AccountValue
from backend.ports.journal import JournalUnavailable
from backend.schemas.accounting import Pnl, PnlQuery
from backend.schemas.trades import Execution
from backend.store import Database, snapshots
from backend.store import opening_prices as openings
from backend.store.opening_prices import Held

if TYPE_CHECKING:
    from backend.bridge import Bridge

_AT_ONCE = 100
PAUSE_S = 0.0005
_RESTS_FOR = 2
_FINEST = Decimal("1E-18")


class ProfitAndLoss:
    """Books every execution once, in the order of the trades' list; blocks while it does.

    An execution that an exchange tells late is booked when it is told, under
    its own time. The books begin anew when opening balances are not those that
    they grew from.
    """

    def __init__(self, bridge: Bridge, database: Database) -> None:
        self._bridge = bridge
        self._database = database
        self._lock = threading.Lock()
        self._booked_to = 0
        self._books: dict[BookKey, FifoLots] = {}
        self._held: frozenset[Held] = frozenset()
        self._prices: dict[tuple[str, str], Decimal | None] = {}
        self._openings: dict[tuple[str, str], OpeningLot] = {}

    def read(self, query: PnlQuery) -> Pnl:
        """Return what the executions that a query asks for came to."""
        worth = self._worth()
        market = Market(self._bridge.portfolio.prices(), worth.reference_market)
        fall = self._fall(worth, query)
        with self._lock:
            self._begin_if_changed(worth)
            while self._book_some(worth):
                time.sleep(PAUSE_S)
            return report(self._books, market, query, fall)

    def book_some(self) -> bool:
        """Book a few milliseconds' worth of what is not booked yet; False when all was booked.

        For who does not want to hold a thread for as long as all of it takes.
        """
        worth = self._worth()
        with self._lock:
            if not self._booked_to:
                self._begin_if_changed(worth)
            return self._book_some(worth)

    def book_ahead(self, worth: AccountValue, closing: threading.Event) -> None:
        """Book what is not booked yet, so that nobody waits for it; in steps, until `closing`.

        After each step the bot goes first, and whoever asks: for longer than the step took.
        """
        with self._lock:
            self._begin_if_changed(worth)
        more, taken_s = True, 0.0
        while more and not closing.wait(_RESTS_FOR * taken_s):
            began = time.monotonic()
            with self._lock:
                more = self._book_some(worth)
            taken_s = time.monotonic() - began

    def _worth(self) -> AccountValue:
        worth = self._bridge.portfolio.worth()
        if worth is None:
            raise BotNotReady("the portfolio is not known yet")
        return worth

    def _fall(self, worth: AccountValue, query: PnlQuery) -> MaxDrawdown | None:
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

    def _begin_if_changed(self, worth: AccountValue) -> None:
        accounts = sorted(worth.accounts.values())
        held = self._database.read(openings.of_accounts, accounts, worth.reference_market)
        if held != self._held:
            self._begin(held)

    def _book_some(self, worth: AccountValue) -> bool:
        """Book a few milliseconds' worth of executions; False when all were booked."""
        reached, executions = self._following()
        for execution in executions:
            account = worth.accounts.get(execution.exchange)
            self._book(execution.exchange, execution.symbol, account).add(execution)
        more, self._booked_to = reached > self._booked_to, reached
        return more

    def _following(self) -> tuple[int, Sequence[Execution]]:
        try:
            return self._bridge.trades.following(self._booked_to, _AT_ONCE)
        except JournalUnavailable:
            raise StoreUnavailable from None

    def _begin(self, held: frozenset[Held]) -> None:
        self._held = held
        self._prices = {(row.account, row.asset): row.price for row in held}
        self._openings = {(row.account, row.asset): OpeningLot(row.quantity) for row in held}
        self._books = {}
        self._booked_to = 0

    def _book(self, exchange: str, symbol: str, account: str | None) -> FifoLots:
        key = (exchange, symbol)
        if key not in self._books:
            if account is None or ":" in symbol:  # not connected now, or nothing to hold
                self._books[key] = FifoLots(symbol)
            else:
                base, _ = assets_of(symbol)
                opening = self._openings.setdefault((account, base), OpeningLot())
                self._books[key] = FifoLots(symbol, opening, self._opening_price(account, symbol))
        return self._books[key]

    def _opening_price(self, account: str, symbol: str) -> Decimal | None:
        base, quote = (self._prices.get((account, asset)) for asset in assets_of(symbol))
        return (
            EXACT.divide(base, quote).quantize(_FINEST, context=EXACT) if base and quote else None
        )
