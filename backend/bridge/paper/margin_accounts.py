"""Margin accounts of paper futures: the authoritative figures, mirrored to OctoBot's simulator.

Written on the bot's loop only. Every change is committed together with the trade or the
funding that caused it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from backend.accounting.balances import assets_of
from backend.accounting.contract_position import (
    ContractPosition,
    MarginMode,
    PositionChange,
    average_price,
    position_from_json,
    position_to_json,
)
from backend.accounting.decimals import ZERO
from backend.accounting.margin import MarginAccount, OrderExposure
from backend.bridge.ledger.booking import Booking
from backend.bridge.ledger.journal_rows import BalanceChange
from backend.bridge.ledger.outbox import Commit
from backend.bridge.positions.position_events import PositionEvents
from backend.ports.events import Event
from backend.ports.journal import StoredPosition
from backend.schemas.positions import Position
from backend.schemas.trades import Trade


class MarginAccounts:
    """The margin accounts of every exchange, one for each asset that contracts settle in."""

    def __init__(self, position_events: PositionEvents) -> None:
        self._events = position_events
        self._ids: dict[str, str] = {}
        self._accounts: dict[tuple[str, str], MarginAccount] = {}
        self._prices: dict[str, dict[str, Decimal]] = {}

    def begin(
        self,
        exchange: str,
        account: str,
        symbols: Sequence[str],
        balances: Mapping[str, Decimal],
        stored: Sequence[StoredPosition],
    ) -> None:
        """Load an exchange's accounts from the journal."""
        self._ids[exchange] = account
        self._prices[exchange] = {}
        self._events.forget(exchange)
        positions = {row.symbol: position_from_json(row.body) for row in stored}
        for asset in {assets_of(symbol)[1] for symbol in [*symbols, *positions]}:
            of_asset = {s: positions.get(s, ContractPosition()) for s in [*symbols, *positions]}
            self._accounts[exchange, asset] = MarginAccount(
                balances.get(asset, ZERO),
                {s: position for s, position in of_asset.items() if assets_of(s)[1] == asset},
            )
        for symbol in positions:
            self._events.record(self.position(exchange, symbol))

    def account(self, exchange: str, symbol: str) -> MarginAccount:
        """Return the account that carries a symbol's position."""
        return self._accounts[exchange, assets_of(symbol)[1]]

    def assets(self, exchange: str) -> list[str]:
        """Return the assets in which the contracts of an exchange settle."""
        return [asset for name, asset in self._accounts if name == exchange]

    def wallet(self, exchange: str, asset: str) -> MarginAccount:
        """Return the account of an asset."""
        return self._accounts[exchange, asset]

    def prices(self, exchange: str) -> Mapping[str, Decimal]:
        """Return the newest price of each contract."""
        return self._prices.get(exchange, {})

    def update_price(self, exchange: str, symbol: str, price: Decimal) -> None:
        """Record a contract's new price."""
        if exchange in self._prices:
            self._prices[exchange][symbol] = price

    def position(self, exchange: str, symbol: str) -> Position:
        """Return a position in the API's format."""
        position = self.account(exchange, symbol).position(symbol)
        if not position.quantity:
            leverage, margin_mode = position.leverage, position.margin_mode
            position = ContractPosition(leverage=leverage, margin_mode=margin_mode)
        return self._shown(exchange, symbol, position)

    def symbols(self, exchange: str) -> list[str]:
        """Return every contract of an exchange that has a position or settings."""
        return sorted(
            symbol
            for (name, _), account in self._accounts.items()
            if name == exchange
            for symbol in account.positions
        )

    # ---- margin of open orders

    def order_exposure(
        self, exchange: str, symbol: str, quantity: Decimal, price: Decimal, fee: Decimal
    ) -> OrderExposure:
        """Return the exposure of an order (a negative quantity sells); `fee` is of all of it."""
        opened = self.account(exchange, symbol).position(symbol).opening_quantity(quantity)
        part = opened / abs(quantity) if quantity else ZERO
        return OrderExposure(symbol, opened * price, fee * part)

    def affords(
        self, exchange: str, exposure: OrderExposure, *, instead_of: str | None = None
    ) -> bool:
        """Return whether an order's margin is available, beside or instead of another order's."""
        account = self.account(exchange, exposure.symbol)
        other = account.order_exposures.get(instead_of) if instead_of is not None else None
        freed = ZERO if other is None else account.required_margin(other)
        needed = account.required_margin(exposure)
        return not exposure.cost or account.available(self.prices(exchange)) + freed >= needed

    def covers(
        self,
        exchange: str,
        order_id: str,
        symbol: str,
        steps: Sequence[PositionChange],
        opened: Decimal,
    ) -> bool:
        """Return whether the account can carry the position that a fill would lead to."""
        if not opened:
            return True
        account = self.account(exchange, symbol)
        after = MarginAccount(account.wallet, account.positions)
        after.order_exposures = {
            key: exposure for key, exposure in account.order_exposures.items() if key != order_id
        }
        after.apply(symbol, list(steps))
        return after.available(self.prices(exchange)) >= 0

    # ---- changes of positions

    def book(self, trade: Trade, account: str) -> Booking:
        """Book a trade in the order in which the trades happened."""
        quantity = trade.quantity if trade.side == "buy" else -trade.quantity
        fee = ZERO if trade.fee is None else trade.fee.cost
        carried = self.account(trade.exchange, trade.symbol)
        position = carried.position(trade.symbol)
        steps = position.apply_fill(quantity, trade.cost, fee, trade.executed_at)
        carried.order_exposures.pop(trade.order_id, None)
        carried.apply(trade.symbol, steps)
        change = sum((step.wallet_change for step in steps), ZERO)
        return Booking(
            {assets_of(trade.symbol)[1]: change},
            StoredPosition(account, trade.symbol, position_to_json(steps[-1].position)),
            tuple(
                event
                for step in steps
                for event in self._events.update(
                    self._shown(trade.exchange, trade.symbol, step.position)
                )
            ),
        )

    def fund(
        self, exchange: str, symbol: str, price: Decimal, rate: Decimal, at: datetime
    ) -> Commit:
        """Pay or receive funding once; return its rows and events."""
        account = self.account(exchange, symbol)
        step = account.position(symbol).apply_funding(price, rate, at)
        account.apply(symbol, [step])
        balance = BalanceChange(self._ids[exchange], assets_of(symbol)[1], step.wallet_change)
        position, events = self._position_row(exchange, symbol)
        return Commit([position, balance], events)

    def configure(
        self, exchange: str, symbol: str, leverage: Decimal | None, mode: MarginMode | None
    ) -> Commit:
        """Change a contract's settings; return the rows and events of the change."""
        asset = assets_of(symbol)[1]
        account = self._accounts[exchange, asset].with_settings(symbol, leverage, mode)
        self._accounts[exchange, asset] = account
        position, events = self._position_row(exchange, symbol)
        return Commit([position], events)

    def _position_row(self, exchange: str, symbol: str) -> tuple[StoredPosition, tuple[Event, ...]]:
        position = self.account(exchange, symbol).position(symbol)
        row = StoredPosition(self._ids[exchange], symbol, position_to_json(position))
        return row, self._events.update(self.position(exchange, symbol))

    def _shown(self, exchange: str, symbol: str, position: ContractPosition) -> Position:
        account, prices = self.account(exchange, symbol), self.prices(exchange)
        price, quantity = prices.get(symbol), position.quantity
        is_now = position == account.position(symbol)
        return Position(
            exchange=exchange,
            symbol=symbol,
            side=position.side,
            quantity=abs(quantity),
            entry_price=average_price(position.cost, quantity) if quantity else None,
            mark_price=price,
            unrealized_pnl=ZERO if price is None else position.unrealized(price),
            realized_pnl=position.realized,
            margin=position.margin,
            leverage=position.leverage,
            margin_mode=position.margin_mode,
            liquidation_price=account.liquidation_price(symbol, prices) if is_now else None,
            opened_at=position.opened_at,
        )
