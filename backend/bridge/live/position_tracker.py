"""Tracker of the positions of real futures accounts, as OctoBot reports them."""

from __future__ import annotations

import asyncio
import logging
from decimal import Decimal
from typing import Any

from backend.accounting.contract_position import MarginMode
from backend.bridge.ledger.outbox import Outbox
from backend.bridge.octobot.exchange import Channel, Exchange
from backend.bridge.octobot.patches.futures_trader import (
    refresh_balances_after_fills,
    send_reduce_only,
)
from backend.bridge.positions.position_events import PositionEvents
from backend.bridge.status import BootFailed
from backend.errors import BridgeError, ExchangeAnswerUnreadable
from backend.ports.journal import AccountState
from backend.schemas.positions import Position

_SETTLED_AFTER_S = 0.05

log = logging.getLogger(__name__)


class LivePositionTracker:
    """The positions of every futures exchange in real trading; the exchange's data is decisive."""

    def __init__(self, outbox: Outbox, position_events: PositionEvents) -> None:
        self._outbox = outbox
        self._events = position_events
        self._exchanges: dict[str, Exchange] = {}
        self._refreshing: dict[tuple[str, str], asyncio.Task[None]] = {}

    async def begin(self, exchange: Exchange, state: AccountState) -> None:
        """Load an exchange's positions and follow their changes.

        Raises `BootFailed` for an account in hedge mode: OctoBot ignores such positions.
        """
        if await exchange.account.is_hedged(exchange.symbols):
            raise BootFailed(
                f"{exchange.name} keeps long and short positions apart (hedge mode): "
                "set the account to one-way mode"
            )
        self._exchanges[exchange.name] = exchange
        self._refreshing.clear()
        send_reduce_only(exchange)
        exchange.patch(refresh_balances_after_fills)
        self._events.forget(exchange.name)
        for symbol in exchange.symbols:
            try:
                await self.refresh(exchange, symbol)
            except ExchangeAnswerUnreadable:  # the bot warns of it; others go on
                log.warning("the position in %s on %s cannot be read yet", symbol, exchange.name)
            self._events.record(self.position(exchange, symbol))
        await exchange.consume(Channel.POSITIONS, self._on_position)

    def publish(self) -> None:
        """Load the present positions into the streams' snapshot."""
        self._outbox.replace_snapshot("positions", self._events.snapshot())

    async def on_price(self, exchange: Exchange, symbol: str, price: Decimal) -> bool:
        """Refresh a position soon if the price has reached its liquidation; return False."""
        position = self.position(exchange, symbol)
        end = position.liquidation_price
        if end is not None and (price <= end if position.side == "long" else price >= end):
            self.on_fill(exchange, symbol)
        return False

    def on_fill(self, exchange: Exchange, symbol: str) -> None:
        """Refresh the position soon: OctoBot itself fetches it only every ten seconds or so."""
        contract = (exchange.name, symbol)
        if contract not in self._refreshing:
            self._refreshing[contract] = asyncio.create_task(self._refresh_soon(exchange, symbol))
            self._refreshing[contract].add_done_callback(
                lambda _: self._refreshing.pop(contract, None)
            )

    async def _refresh_soon(self, exchange: Exchange, symbol: str) -> None:
        await asyncio.sleep(_SETTLED_AFTER_S)
        try:
            await self.refresh(exchange, symbol)
        except BridgeError as error:
            log.warning("the position in %s cannot be refreshed: %s", symbol, error.type)

    async def refresh(self, exchange: Exchange, symbol: str) -> None:
        """Fetch a position from the exchange, and publish its changes."""
        await exchange.account.refresh_position(symbol)
        self._publish_change(exchange, symbol)

    def symbols(self, exchange: Exchange) -> list[str]:
        """Return the contracts that have a position or settings here."""
        return sorted(exchange.symbols)

    def position(self, exchange: Exchange, symbol: str) -> Position:
        """Return a position, or the settings of a contract in which none is open."""
        return exchange.account.position(symbol, exchange.price(symbol))

    async def configure(
        self, exchange: Exchange, symbol: str, leverage: Decimal | None, mode: MarginMode | None
    ) -> None:
        """Change a contract's settings at the exchange; raises the exchange's errors."""
        await exchange.account.configure_contract(symbol, leverage, mode)
        await self.refresh(exchange, symbol)

    async def _on_position(self, *, exchange: str, symbol: str, **_: Any) -> None:
        self._publish_change(self._exchanges[exchange], symbol)

    def _publish_change(self, exchange: Exchange, symbol: str) -> None:
        events = self._events.update(self.position(exchange, symbol))
        if events:
            self._outbox.commit(events=events)
