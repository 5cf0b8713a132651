"""Paper futures accounts: the truth that OctoBot's simulator is made to follow.

Written on the bot's loop only. Every change is committed together with the trade or the
funding that made it.
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
    position_body,
    position_from,
    price_of,
)
from backend.accounting.decimals import ZERO
from backend.accounting.margin import Hold, MarginAccount
from backend.bridge.ledger.booking import Booking
from backend.bridge.ledger.outbox import Commit
from backend.bridge.ledger.rows import BalanceChange
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
        """Start over with what the journal has of an exchange."""
        self._ids[exchange] = account
        self._prices[exchange] = {}
        self._events.forget(exchange)
        stakes = {row.symbol: position_from(row.body) for row in stored}
        for asset in {assets_of(symbol)[1] for symbol in [*symbols, *stakes]}:
            of_asset = {s: stakes.get(s, ContractPosition()) for s in [*symbols, *stakes]}
            self._accounts[exchange, asset] = MarginAccount(
                balances.get(asset, ZERO),
                {s: stake for s, stake in of_asset.items() if assets_of(s)[1] == asset},
            )
        for symbol in stakes:
            self._events.show(self.position(exchange, symbol))

    def account(self, exchange: str, symbol: str) -> MarginAccount:
        """Return the account that carries a symbol's position."""
        return self._accounts[exchange, assets_of(symbol)[1]]

    def assets(self, exchange: str) -> list[str]:
        """Return what the contracts of an exchange settle in."""
        return [asset for name, asset in self._accounts if name == exchange]

    def wallet(self, exchange: str, asset: str) -> MarginAccount:
        """Return the account of an asset."""
        return self._accounts[exchange, asset]

    def prices(self, exchange: str) -> Mapping[str, Decimal]:
        """Return the newest price of each contract."""
        return self._prices.get(exchange, {})

    def note_price(self, exchange: str, symbol: str, price: Decimal) -> None:
        """Take a new price in."""
        if exchange in self._prices:
            self._prices[exchange][symbol] = price

    def position(self, exchange: str, symbol: str) -> Position:
        """Return a position as clients see it."""
        stake = self.account(exchange, symbol).stake(symbol)
        if not stake.quantity:
            stake = ContractPosition(leverage=stake.leverage, margin_mode=stake.margin_mode)
        return self._shown(exchange, symbol, stake)

    def symbols(self, exchange: str) -> list[str]:
        """Return every contract of an exchange that has a position or settings."""
        return sorted(
            symbol
            for (name, _), account in self._accounts.items()
            if name == exchange
            for symbol in account.stakes
        )

    # ---- what open orders hold

    def hold_for(
        self, exchange: str, symbol: str, quantity: Decimal, price: Decimal, fee: Decimal
    ) -> Hold:
        """Return what an order (a negative quantity sells) would hold; `fee` is of all of it."""
        opened = self.account(exchange, symbol).stake(symbol).opens(quantity)
        part = opened / abs(quantity) if quantity else ZERO
        return Hold(symbol, opened * price, fee * part)

    def affords(self, exchange: str, hold: Hold, *, instead_of: str | None = None) -> bool:
        """Tell whether what an order would hold is there, beside or instead of another order."""
        account = self.account(exchange, hold.symbol)
        other = account.holds.get(instead_of) if instead_of is not None else None
        freed = ZERO if other is None else account.needs(other)
        needed = account.needs(hold)
        return not hold.cost or account.available(self.prices(exchange)) + freed >= needed

    def covers(
        self,
        exchange: str,
        order_id: str,
        symbol: str,
        steps: Sequence[PositionChange],
        opened: Decimal,
    ) -> bool:
        """Tell whether the account can carry what a fill would make of a position."""
        if not opened:
            return True
        account = self.account(exchange, symbol)
        after = MarginAccount(account.wallet, account.stakes)
        after.holds = {key: hold for key, hold in account.holds.items() if key != order_id}
        after.take(symbol, list(steps))
        return after.available(self.prices(exchange)) >= 0

    # ---- what changes positions

    def book(self, trade: Trade, account: str) -> Booking:
        """Book a trade in the order in which the trades happened."""
        quantity = trade.quantity if trade.side == "buy" else -trade.quantity
        fee = ZERO if trade.fee is None else trade.fee.cost
        carried = self.account(trade.exchange, trade.symbol)
        stake = carried.stake(trade.symbol)
        steps = stake.filled(quantity, trade.cost, fee, trade.executed_at)
        carried.holds.pop(trade.order_id, None)
        carried.take(trade.symbol, steps)
        change = sum((step.change for step in steps), ZERO)
        return Booking(
            {assets_of(trade.symbol)[1]: change},
            StoredPosition(account, trade.symbol, position_body(steps[-1].stake)),
            tuple(
                event
                for step in steps
                for event in self._events.tell(
                    self._shown(trade.exchange, trade.symbol, step.stake)
                )
            ),
        )

    def fund(
        self, exchange: str, symbol: str, price: Decimal, rate: Decimal, at: datetime
    ) -> Commit:
        """Pay or receive funding once; return the rows and events of it."""
        account = self.account(exchange, symbol)
        step = account.stake(symbol).funded(price, rate, at)
        account.take(symbol, [step])
        balance = BalanceChange(self._ids[exchange], assets_of(symbol)[1], step.change)
        position, events = self._position_row(exchange, symbol)
        return Commit([position, balance], events)

    def configure(
        self, exchange: str, symbol: str, leverage: Decimal | None, mode: MarginMode | None
    ) -> Commit:
        """Change a contract's settings; return the rows and events of it."""
        asset = assets_of(symbol)[1]
        account = self._accounts[exchange, asset].with_settings(symbol, leverage, mode)
        self._accounts[exchange, asset] = account
        position, events = self._position_row(exchange, symbol)
        return Commit([position], events)

    def _position_row(self, exchange: str, symbol: str) -> tuple[StoredPosition, tuple[Event, ...]]:
        stake = self.account(exchange, symbol).stake(symbol)
        row = StoredPosition(self._ids[exchange], symbol, position_body(stake))
        return row, self._events.tell(self.position(exchange, symbol))

    def _shown(self, exchange: str, symbol: str, stake: ContractPosition) -> Position:
        account, prices = self.account(exchange, symbol), self.prices(exchange)
        price = prices.get(symbol)
        is_now = stake == account.stake(symbol)
        return Position(
            exchange=exchange,
            symbol=symbol,
            side=stake.side,
            quantity=abs(stake.quantity),
            entry_price=price_of(stake.cost, stake.quantity) if stake.quantity else None,
            mark_price=price,
            unrealized_pnl=ZERO if price is None else stake.unrealized(price),
            realized_pnl=stake.realized,
            margin=stake.margin,
            leverage=stake.leverage,
            margin_mode=stake.margin_mode,
            liquidation_price=account.liquidation_price(symbol, prices) if is_now else None,
            opened_at=stake.opened_at,
        )
