"""Balances, positions and contract settings of one exchange account, from OctoBot's memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import ccxt
import octobot_trading.api as trading_api
import octobot_trading.errors as trading_errors
from octobot_trading.enums import ExchangeConstantsPositionColumns, MarginType, PositionSide

from backend.accounting.contract_position import ContractPosition, MarginMode
from backend.accounting.decimals import ZERO
from backend.bridge.octobot.conversion import decimal_or_none, utc
from backend.bridge.octobot.observed_reads import unreadable_rows
from backend.bridge.octobot.order import OctoBotOrder, PaperFunds
from backend.bridge.octobot.position_mode import is_hedged
from backend.bridge.octobot.read_errors import translate_read_errors
from backend.errors import (
    BridgeError,
    ExchangeRefused,
    ExchangeUnreachable,
    InsufficientFunds,
    LeverageOutOfRange,
)
from backend.schemas.portfolio import Balance
from backend.schemas.positions import Position

Configure = Callable[[str, Decimal | None, MarginMode | None], Awaitable[None]]
"""Changes a contract's settings: symbol, leverage, margin mode."""


class ExchangeAccount:
    """The account at one exchange, real or simulated; used on the bot's loop only."""

    __slots__ = ("_manager", "_name", "_personal", "_portfolio_manager", "_unreadable")

    def __init__(self, manager: Any) -> None:
        self._manager = manager
        self._name: str = manager.exchange_name
        self._personal = manager.exchange_personal_data
        self._unreadable = unreadable_rows(manager.exchange.connector.client)
        self._portfolio_manager = self._personal.portfolio_manager

    # ---- balances

    def report_unreadable(self, report: Callable[[list[str]], None]) -> None:
        """Call `report` now and at each change with a text for each row that cannot be read."""
        self._unreadable.on_change = report
        report(self._unreadable.texts)

    @property
    def unreadable_assets(self) -> frozenset[str]:
        """The assets whose balance the exchange tells in a way that cannot be read."""
        return self._unreadable.assets

    @property
    def reference_market(self) -> str:
        """The asset in which OctoBot values the account."""
        return str(self._portfolio_manager.reference_market)

    @property
    def is_known(self) -> bool:
        """Whether balances and open orders have arrived: OctoBot is ready before that."""
        return bool(
            self._portfolio_manager.portfolio.portfolio
            and self._personal.orders_manager.are_exchange_orders_initialized
        )

    def balances(self) -> list[Balance]:
        """Return the assets that the account holds, by name."""
        return [
            Balance(
                asset=name,
                total=asset.total,
                available=asset.available,
                locked=asset.total - asset.available,
            )
            for name, asset in sorted(self._portfolio_manager.portfolio.portfolio.items())
            if asset.total or asset.available
        ]

    def totals(self) -> dict[str, Decimal]:
        """Return the total of each asset."""
        return {balance.asset: balance.total for balance in self.balances()}

    def available(self, asset: str) -> Decimal:
        """Return the quantity of an asset that no order has locked."""
        available: Decimal = self._portfolio_manager.portfolio.get_currency_portfolio(
            asset
        ).available
        return available

    async def refresh_balances(self) -> None:
        """Fetch the balances from a real exchange; raises the error that names why not."""
        with translate_read_errors(self._name, "the balances"):
            await trading_api.refresh_real_trader_portfolio(self._manager)

    def replace_balances(self, balances: Mapping[str, Decimal]) -> None:
        """Set a simulated account's totals, all available: open orders lock theirs anew."""
        self._portfolio_manager.portfolio.reset()
        self._portfolio_manager.set_forced_portfolio_initial_config(dict(balances))
        self._portfolio_manager.apply_forced_portfolio()

    def change_asset(self, asset: str, *, total: Decimal = ZERO, available: Decimal = ZERO) -> None:
        """Add to an asset of a simulated account, without a check."""
        held = self._portfolio_manager.portfolio.get_currency_portfolio(asset)
        held.set(available=held.available + available, total=held.total + total)

    def use_funds(self, funds: PaperFunds) -> None:
        """Replace OctoBot's locking and settling of a simulated spot account by `funds`."""

        def update_lock(order: OctoBotOrder, is_new_order: bool = True) -> None:
            try:
                (funds.lock if is_new_order else funds.release)(order)
            except InsufficientFunds as error:
                raise trading_errors.PortfolioNegativeValueError(str(error)) from None

        portfolio = self._portfolio_manager.portfolio
        portfolio.update_portfolio_available_from_order = update_lock
        portfolio.update_portfolio_from_filled_order = funds.settle
        portfolio.affords_change = funds.affords_change

    def affords_change(self, order: OctoBotOrder, quantity: Decimal, price: Decimal) -> bool:
        """Return whether a paper account can fund an open order's new values."""
        return bool(self._portfolio_manager.portfolio.affords_change(order, quantity, price))

    def covers(self, order: OctoBotOrder, price: Decimal) -> bool:
        """Return whether a paper margin account can fund an order's fill at a price."""
        return bool(self._portfolio_manager.portfolio.covers(order, price))

    # ---- positions

    def contract_position(self, symbol: str) -> ContractPosition:
        """Return a position's size, cost and leverage."""
        held = self._held(symbol)
        return ContractPosition(
            quantity=held.size,
            cost=abs(held.size) * held.entry_price,
            leverage=held.symbol_contract.current_leverage,
        )

    def position_size(self, symbol: str) -> Decimal:
        """Return the contracts held, below zero in a short position."""
        size: Decimal = self._held(symbol).size
        return size

    def position(self, symbol: str, price: Decimal | None) -> Position:
        """Return a position, valued at the mark price when there is no other price.

        OctoBot represents unknown values as zero.
        """
        held = self._held(symbol)
        contract, size, entry = held.symbol_contract, held.size, held.entry_price
        price = price or decimal_or_none(held.mark_price)
        return Position(
            exchange=self._name,
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

    async def is_hedged(self, symbols: Sequence[str]) -> bool:
        """Return whether the account keeps long and short positions of a contract apart."""
        return await is_hedged(self._manager.exchange.connector.client, symbols)

    async def refresh_position(self, symbol: str) -> None:
        """Fetch a position from a real exchange; raises the error that names why not."""
        with translate_read_errors(self._name, "the position", symbol):
            raw = await self._manager.exchange.get_position(symbol)
        await self._personal.handle_position_update(
            symbol, PositionSide.BOTH, raw, should_notify=False
        )

    async def configure_contract(
        self, symbol: str, leverage: Decimal | None, mode: MarginMode | None
    ) -> None:
        """Set leverage or margin mode of a contract at a real exchange.

        Raises `LeverageOutOfRange`, `ExchangeRefused` or `ExchangeUnreachable`.
        """
        trader = self._manager.trader
        contract = self._manager.exchange.get_pair_future_contract(symbol)
        try:
            if mode is not None and MarginType(mode) is not contract.margin_type:
                await trader.set_margin_type(symbol, None, MarginType(mode))
            if leverage is not None:
                await trader.set_leverage(symbol, None, leverage)
        except trading_errors.InvalidLeverageValue:
            raise LeverageOutOfRange("leverage: the exchange does not allow it") from None
        except (trading_errors.FailedRequest, ccxt.ExchangeError):
            raise ExchangeRefused("the exchange refused the change") from None
        except (trading_errors.OctoBotExchangeError, ccxt.BaseError):
            raise ExchangeUnreachable("the exchange did not answer") from None

    def intercept_settings(self, configure: Configure) -> None:
        """Call `configure` instead of OctoBot when a strategy sets leverage or margin mode.

        A `BridgeError` that it raises reaches the strategy as OctoBot's own error.
        """

        async def change(symbol: str, leverage: Decimal | None, mode: MarginMode | None) -> bool:
            try:
                await configure(symbol, leverage, mode)
            except BridgeError as error:
                raise trading_errors.InvalidLeverageValue(str(error)) from None
            return True

        async def set_leverage(symbol: str, _side: Any, leverage: Decimal) -> bool:
            return await change(symbol, Decimal(leverage), None)

        async def set_margin_type(symbol: str, _side: Any, margin_type: Any) -> None:
            await change(symbol, None, margin_type.value)

        self._manager.trader.set_leverage = set_leverage
        self._manager.trader.set_margin_type = set_margin_type

    # ---- a simulated futures account

    @property
    def portfolio(self) -> object:
        """OctoBot's portfolio, or its replacement."""
        found: object = self._portfolio_manager.portfolio
        return found

    def replace_portfolio(self, portfolio: Any) -> None:
        """Replace OctoBot's portfolio by one of another class, with its assets."""
        portfolio.portfolio = self._portfolio_manager.portfolio.portfolio
        self._portfolio_manager.portfolio = portfolio

    def positions(self) -> Iterable[object]:
        """Return OctoBot's positions, or their replacements."""
        found: Iterable[object] = self._personal.positions_manager.positions.values()
        return found

    async def replace_position(
        self,
        symbol: str,
        create: Callable[[Any, Any], Any],
        *,
        max_leverage: Decimal,
        maintenance_rate: Decimal,
    ) -> None:
        """Replace OctoBot's position in a contract by one of another class.

        `create` makes it of OctoBot's trader and contract, whose limits are set first.
        """
        contract = self._manager.exchange.get_pair_future_contract(symbol)
        contract.maximum_leverage = max_leverage
        contract.maintenance_margin_rate = maintenance_rate
        position = create(self._manager.trader, contract)
        position.update_from_raw({ExchangeConstantsPositionColumns.SYMBOL.value: symbol})
        self._personal.positions_manager.add_position(position)
        await position.initialize()

    def is_inverse(self, symbol: str) -> bool:
        """Return whether a contract settles in its base asset."""
        return bool(self._manager.exchange.is_inverse_symbol(symbol))

    def _held(self, symbol: str) -> Any:
        return self._personal.positions_manager.get_symbol_position(symbol, PositionSide.BOTH)
