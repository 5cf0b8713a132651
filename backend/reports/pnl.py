"""Profit and loss of the bot's executions, computed incrementally from the list of trades."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from backend.accounting.balances import assets_of
from backend.accounting.decimals import EXACT
from backend.accounting.drawdown import MaxDrawdown, max_drawdown
from backend.accounting.fifo import FifoLots, OpeningLot
from backend.accounting.pnl_report import ExchangeSymbol, Market, pnl_report
from backend.errors import BotNotReady, StoreUnavailable
from backend.ports.account_value import AccountValue
from backend.ports.journal import JournalUnavailable
from backend.schemas.accounting import Pnl, PnlQuery
from backend.schemas.trades import Execution
from backend.store import Database, opening_prices, snapshots
from backend.store.opening_prices import OpeningBalance

if TYPE_CHECKING:
    from backend.bridge import Bridge

_BATCH_SIZE = 100
PAUSE_S = 0.0005
_REST_FACTOR = 2
_PRICE_STEP = Decimal("1E-18")


class ProfitAndLoss:
    """Processes every execution once, in the order of the trades' list; methods block.

    Processing starts over when opening balances have changed, when executions have
    replaced an estimated trade, and, in the order of their times, when an exchange
    reports one late.
    """

    def __init__(self, bridge: Bridge, database: Database) -> None:
        self._bridge = bridge
        self._database = database
        self._lock = threading.Lock()
        self._processed_until = 0
        self._replacements = 0
        self._last_executed: dict[ExchangeSymbol, datetime] = {}
        self._is_disordered = False
        self._lots: dict[ExchangeSymbol, FifoLots] = {}
        self._opening_balances: frozenset[OpeningBalance] = frozenset()
        self._prices: dict[tuple[str, str], Decimal | None] = {}
        self._opening_lots: dict[tuple[str, str], OpeningLot] = {}

    def read(self, query: PnlQuery) -> Pnl:
        """Return the profit and loss of the executions that a query selects."""
        value = self._account_value()
        market = Market(self._bridge.portfolio.prices(), value.reference_market)
        drawdown = self._max_drawdown(value, query)
        with self._lock:
            self._reset_if_opening_changed(value)
            while self._process_batch(value):
                time.sleep(PAUSE_S)
            return pnl_report(self._lots, market, query, drawdown)

    def process_batch(self) -> bool:
        """Process the next batch, a few milliseconds of work; return False after the last one.

        For callers that must not block a thread until all batches are processed.
        """
        value = self._account_value()
        with self._lock:
            if not self._processed_until:
                self._reset_if_opening_changed(value)
            return self._process_batch(value)

    def process_all(self, value: AccountValue, closing: threading.Event) -> None:
        """Process all new executions in batches, ahead of the next query; until `closing`.

        After each batch the thread pauses for `_REST_FACTOR` times its duration, in
        favour of the bot and of queries.
        """
        with self._lock:
            self._reset_if_opening_changed(value)
        more, taken_s = True, 0.0
        while more and not closing.wait(_REST_FACTOR * taken_s):
            started = time.monotonic()
            with self._lock:
                more = self._process_batch(value)
            taken_s = time.monotonic() - started

    def _account_value(self) -> AccountValue:
        value = self._bridge.portfolio.account_value()
        if value is None:
            raise BotNotReady("the portfolio is not known yet")
        return value

    def _max_drawdown(self, value: AccountValue, query: PnlQuery) -> MaxDrawdown | None:
        if query.symbol is not None:
            return None
        values = self._database.read(
            snapshots.list_values,
            value.account,
            value.reference_market,
            since=query.since,
            until=query.until,
        )
        return max_drawdown(values)

    def _reset_if_opening_changed(self, value: AccountValue) -> None:
        accounts, reference = sorted(value.accounts.values()), value.reference_market
        balances = self._database.read(opening_prices.list_balances, accounts, reference)
        if balances != self._opening_balances:
            self._reset(balances)

    def _process_batch(self, value: AccountValue) -> bool:
        """Process one batch; return False after the last one."""
        if self._replacements != self._bridge.trades.replacements:
            self._replacements = self._bridge.trades.replacements
            self._reset(self._opening_balances)
        reached, executions = self._next_executions()
        self._add(executions, value)
        more, self._processed_until = reached > self._processed_until, reached
        if self._is_disordered and not more:
            self._process_in_order(value)
        return more

    def _add(self, executions: Iterable[Execution], value: AccountValue) -> None:
        has_times = self._bridge.trades.have_exchange_times
        for execution in executions:
            key = (execution.exchange, execution.symbol)
            account = value.accounts.get(execution.exchange)
            self._lots_of(execution.exchange, execution.symbol, account).add(execution)
            last = self._last_executed.get(key)
            if last is not None and execution.executed_at < last:
                self._is_disordered = has_times
            else:
                self._last_executed[key] = execution.executed_at

    def _process_in_order(self, value: AccountValue) -> None:
        """Process all executions again, in the order of their times."""
        self._reset(self._opening_balances)
        found: list[Execution] = []
        reached, executions = self._next_executions()
        while reached > self._processed_until:
            found += executions
            self._processed_until = reached
            reached, executions = self._next_executions()
        self._add(sorted(found, key=lambda each: each.executed_at), value)

    def _next_executions(self) -> tuple[int, Sequence[Execution]]:
        try:
            return self._bridge.trades.following(self._processed_until, _BATCH_SIZE)
        except JournalUnavailable:
            raise StoreUnavailable from None

    def _reset(self, balances: frozenset[OpeningBalance]) -> None:
        self._opening_balances = balances
        self._prices = {(row.account, row.asset): row.price for row in balances}
        self._opening_lots = {
            (row.account, row.asset): OpeningLot(row.quantity) for row in balances
        }
        self._lots = {}
        self._last_executed = {}
        self._is_disordered = False
        self._processed_until = 0

    def _lots_of(self, exchange: str, symbol: str, account: str | None) -> FifoLots:
        key = (exchange, symbol)
        if key not in self._lots:
            if (
                account is None or ":" in symbol
            ):  # not connected now, or a contract, which has no opening balance
                self._lots[key] = FifoLots(symbol)
            else:
                base, _ = assets_of(symbol)
                opening = self._opening_lots.setdefault((account, base), OpeningLot())
                self._lots[key] = FifoLots(symbol, opening, self._opening_price(account, symbol))
        return self._lots[key]

    def _opening_price(self, account: str, symbol: str) -> Decimal | None:
        base, quote = (self._prices.get((account, asset)) for asset in assets_of(symbol))
        if not base or not quote:
            return None
        return EXACT.divide(base, quote).quantize(_PRICE_STEP, context=EXACT)
