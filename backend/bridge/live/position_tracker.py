"""Follows the positions that an exchange keeps, through OctoBot."""

from __future__ import annotations

import asyncio
import logging
from decimal import Decimal
from typing import Any

import ccxt
import octobot_trading.errors as trading_errors
import octobot_trading.exchange_channel as exchange_channel
from async_channel.enums import ChannelConsumerPriorityLevels
from octobot_trading.constants import POSITIONS_CHANNEL
from octobot_trading.enums import MarginType, PositionSide

from backend.accounting.contract_position import MarginMode
from backend.accounting.decimals import ZERO
from backend.bridge.ledger.outbox import Outbox
from backend.bridge.octobot.conversion import decimal_or_none, last_price, utc
from backend.bridge.octobot.patches.futures_trader import (
    refresh_balances_after_fills,
    tell_what_only_reduces,
)
from backend.bridge.positions.position_events import PositionEvents
from backend.errors import BridgeError, ExchangeRefused, ExchangeUnreachable, LeverageOutOfRange
from backend.ports.journal import AccountState
from backend.schemas.positions import Position

# Any other priority makes OctoBot poll the exchange for our sake.
_PRIORITY = ChannelConsumerPriorityLevels.OPTIONAL.value
_SETTLED_AFTER_S = 0.05

log = logging.getLogger(__name__)


class LivePositionTracker:
    """The positions of every futures exchange in real trading: the exchange has the last word."""

    def __init__(self, outbox: Outbox, position_events: PositionEvents) -> None:
        self._outbox = outbox
        self._events = position_events
        self._managers: dict[str, Any] = {}
        self._looking: dict[tuple[str, str], asyncio.Task[None]] = {}

    async def begin(self, manager: Any, state: AccountState) -> None:
        """Read an exchange's positions, and listen to what changes them."""
        self._managers[manager.exchange_name] = manager
        self._looking.clear()
        tell_what_only_reduces(manager)
        refresh_balances_after_fills(manager)
        self._events.forget(manager.exchange_name)
        for symbol in manager.exchange_config.traded_symbol_pairs:
            await self.refresh(manager, symbol)
            self._events.show(self.position(manager, symbol))
        channel = exchange_channel.get_chan(POSITIONS_CHANNEL, manager.id)
        await channel.new_consumer(self._on_position, priority_level=_PRIORITY)

    def publish(self) -> None:
        """Let the streams begin with the positions as they are now."""
        self._outbox.replace_snapshot("positions", self._events.snapshot())

    async def take_price(self, manager: Any, symbol: str, price: Decimal) -> bool:
        """Look soon whether the exchange has liquidated a position, when it might have."""
        position = self.position(manager, symbol)
        end = position.liquidation_price
        if end is not None and (price <= end if position.side == "long" else price >= end):
            self.note_fill(manager, symbol)
        return False

    def note_fill(self, manager: Any, symbol: str) -> None:
        """Look at the position soon: OctoBot itself asks only every ten seconds or so."""
        place = (manager.exchange_name, symbol)
        if place not in self._looking:
            self._looking[place] = asyncio.create_task(self._look(manager, symbol))
            self._looking[place].add_done_callback(lambda _: self._looking.pop(place, None))

    async def _look(self, manager: Any, symbol: str) -> None:
        await asyncio.sleep(_SETTLED_AFTER_S)
        try:
            await self.refresh(manager, symbol)
        except BridgeError as error:
            log.warning("the position in %s cannot be looked up: %s", symbol, error.type)

    async def refresh(self, manager: Any, symbol: str) -> None:
        """Ask the exchange how a position stands, and tell of what has changed."""
        try:
            raw = await manager.exchange.get_position(symbol)
        except trading_errors.AuthenticationError:
            raise ExchangeRefused("the exchange refused the API key") from None
        except (trading_errors.OctoBotExchangeError, ccxt.BaseError):
            raise ExchangeUnreachable("the exchange does not tell the position") from None
        await manager.exchange_personal_data.handle_position_update(
            symbol, PositionSide.BOTH, raw, should_notify=False
        )
        self._tell(manager, symbol)

    def symbols(self, manager: Any) -> list[str]:
        """Return the contracts that have a position or settings here."""
        return sorted(manager.exchange_config.traded_symbol_pairs)

    def position(self, manager: Any, symbol: str) -> Position:
        """Return a position, or the settings of a contract in which none is open."""
        held = manager.exchange_personal_data.positions_manager.get_symbol_position(
            symbol, PositionSide.BOTH
        )
        return _position_of(manager, held)

    async def configure(
        self, manager: Any, symbol: str, leverage: Decimal | None, mode: MarginMode | None
    ) -> None:
        """Have the exchange change a contract's settings; raises what it answers."""
        contract = manager.exchange.get_pair_future_contract(symbol)
        try:
            if mode is not None and MarginType(mode) is not contract.margin_type:
                await manager.trader.set_margin_type(symbol, None, MarginType(mode))
            if leverage is not None:
                await manager.trader.set_leverage(symbol, None, leverage)
        except trading_errors.InvalidLeverageValue:
            raise LeverageOutOfRange("leverage: the exchange does not allow it") from None
        except (trading_errors.FailedRequest, ccxt.ExchangeError):
            raise ExchangeRefused("the exchange refused the change") from None
        except (trading_errors.OctoBotExchangeError, ccxt.BaseError):
            raise ExchangeUnreachable("the exchange did not answer") from None
        await self.refresh(manager, symbol)

    async def _on_position(self, *, exchange: str, symbol: str, **_: Any) -> None:
        self._tell(self._managers[exchange], symbol)

    def _tell(self, manager: Any, symbol: str) -> None:
        events = self._events.tell(self.position(manager, symbol))
        if events:
            self._outbox.commit(events=events)


def _position_of(manager: Any, held: Any) -> Position:
    """Build a position from OctoBot's object; zero is how it writes what it does not know."""
    contract, size = held.symbol_contract, held.size
    price = last_price(manager, held.symbol) or decimal_or_none(held.mark_price)
    entry = held.entry_price
    return Position(
        exchange=manager.exchange_name,
        symbol=held.symbol,
        side="long" if size > 0 else "short" if size < 0 else None,
        quantity=abs(size),
        entry_price=entry if size else None,
        mark_price=price,
        unrealized_pnl=ZERO if price is None or not size else size * (price - entry),
        realized_pnl=held.realised_pnl if size else ZERO,
        margin=held.initial_margin,
        leverage=contract.current_leverage,
        margin_mode="cross" if contract.margin_type is MarginType.CROSS else "isolated",
        liquidation_price=(decimal_or_none(held.liquidation_price) or None) if size else None,
        opened_at=utc(held.creation_time) if size and held.creation_time else None,
    )
