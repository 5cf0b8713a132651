"""Live trading mode: the exchange keeps the account; unreported outcomes are looked up there."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from decimal import Decimal
from functools import partial
from typing import NamedTuple

from backend.bridge.ledger.ledger import Ledger
from backend.bridge.ledger.outbox import Outbox
from backend.bridge.live.bracket_exits import BracketExits
from backend.bridge.live.execution_fetcher import ExecutionFetcher
from backend.bridge.live.reconciliation import Reconciliation
from backend.bridge.live.triggered_stops import TriggeredStops
from backend.bridge.octobot.exchange import Exchange
from backend.bridge.octobot.order import OctoBotOrder
from backend.bridge.octobot.order_lookup import LookUpFailed
from backend.bridge.orders.execution import AMBIGUOUS
from backend.bridge.orders.lookup import resolve_unknown
from backend.bridge.runtime.runner import BotRunner
from backend.bridge.status import BootFailed
from backend.bridge.trading_mode import CancelOrder
from backend.schemas.orders import NewOrder, Order

_BALANCES_WITHIN_S = 20
_POLL_S = 0.05


class _Supervision(NamedTuple):
    exits: BracketExits
    stops: TriggeredStops


class LiveMode:
    """TradingMode of real accounts: the exchange decides an order's outcome.

    An order that a working exchange has not known for `give_up_after_s` was never placed.
    """

    def __init__(
        self, runner: BotRunner, ledger: Ledger, outbox: Outbox, give_up_after_s: float
    ) -> None:
        self._runner = runner
        self._ledger = ledger
        self._outbox = outbox
        self._give_up_after_s = give_up_after_s
        self._supervised: dict[str, _Supervision] = {}
        self._fetchers: dict[str, ExecutionFetcher] = {}

    @property
    def executes_at_our_prices(self) -> bool:
        """The exchange executes orders at its own prices."""
        return False

    async def opening_balances(self, exchange: Exchange) -> Mapping[str, Decimal]:
        """Return the account's balances; raises `BootFailed` if the exchange reports none."""
        exchange.capture_commands(self._runner.counters)
        if self._ledger.real_fills is not None:
            exchange.observe_orders(partial(self._ledger.real_fills.note, exchange.name))
        for _ in range(int(_BALANCES_WITHIN_S / _POLL_S)):
            if exchange.account.is_known:
                return exchange.account.totals()
            await asyncio.sleep(_POLL_S)
        raise BootFailed(f"{exchange.name} does not tell the account's balances")

    def prepare(self, exchange: Exchange, balances: Mapping[str, Decimal]) -> None:
        """Do nothing: the exchange has the balances."""

    def resolve_intent(self, order: Order) -> None:
        """Create the order as unknown: reconciliation looks it up at the exchange."""
        self._ledger.create(order, event="outcome_unknown")

    async def recover(self, exchange: Exchange, cancel: CancelOrder) -> None:
        """Restore triggered stops and bracket exits, before OctoBot's channels are consumed."""
        exits = BracketExits(exchange, self._ledger)
        stops = TriggeredStops(
            exchange, self._ledger, cancel, self._outbox.flush_within, self._runner.create_task
        )
        stops.take_over()
        await exits.adopt_sent()
        self._supervised[exchange.name] = _Supervision(exits, stops)

    async def restore_orders(self, exchange: Exchange) -> None:
        """Restore the stops that OctoBot watches itself, and the triggers of orders from elsewhere.

        The rows that OctoBot keeps of the latter name neither trigger nor type.
        """
        held = {order.symbol for order in exchange.orders.all()}
        with contextlib.suppress(LookUpFailed):  # OctoBot's next poll tells them too
            await exchange.lookup.fetch_open(sorted(held))
        await self._supervised[exchange.name].exits.restore_watched()

    async def takes(self, exchange: Exchange, order: Order) -> bool | None:
        """Return None: the exchange decides."""
        return None

    async def end_unfilled(self, exchange: Exchange, placed: OctoBotOrder, order: Order) -> None:
        """Do nothing: the exchange ends its orders."""

    def supervise(self, exchange: Exchange) -> None:
        """Start reconciliation of missing and unknown orders for this run of the bot."""
        exits, stops = self._supervised[exchange.name]
        reconciliation = Reconciliation(exchange, self._ledger, exits, stops, self._give_up_after_s)
        reconciliation.mark_missing()
        self._fetch_executions(exchange)
        self._runner.create_task(reconciliation.run())

    def _fetch_executions(self, exchange: Exchange) -> None:
        if self._ledger.real_fills is None:
            return
        fetcher = ExecutionFetcher(exchange, self._ledger.real_fills, self._runner.create_task)
        self._fetchers[exchange.name] = fetcher
        self._ledger.real_fills.listen(self._fetch_soon)
        fetcher.begin()

    def _fetch_soon(self, order: Order) -> None:
        fetcher = self._fetchers.get(order.exchange)
        if fetcher is not None:
            fetcher.fetch_soon(order)

    async def settle_end(self, exchange: Exchange, order_id: str) -> None:
        """Wait a moment until the executions of an order that has ended are known."""
        fetcher = self._fetchers.get(exchange.name)
        if fetcher is not None:
            await fetcher.wait_for(order_id)

    @contextlib.asynccontextmanager
    async def amending(
        self, exchange: Exchange, held: OctoBotOrder, order: Order, amended: NewOrder
    ) -> AsyncIterator[None]:
        """Mark the order as edited; look it up if the outcome is ambiguous."""
        if not held.is_self_managed():
            self._ledger.mark_edited(order.id)
        try:
            yield
        except AMBIGUOUS:
            self._ledger.apply_event(order.id, "outcome_unknown")
            await self._look_up(exchange, order.id)
            raise

    async def _look_up(self, exchange: Exchange, order_id: str) -> None:
        entry = self._ledger.orders.get(order_id)
        if entry is not None and entry.item.status == "unknown":
            with contextlib.suppress(LookUpFailed):
                await resolve_unknown(exchange, self._ledger, entry.item)
