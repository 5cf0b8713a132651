"""Pre-trade risk checks: every order is checked against the risk limits before it is placed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from backend.accounting.balances import assets_of
from backend.accounting.risk import Limits, OrderRisk, RiskLimits
from backend.bridge.ledger.ledger import Ledger
from backend.bridge.octobot.exchange_orders import is_market
from backend.bridge.octobot.order import OctoBotOrder
from backend.bridge.octobot.order_errors import creation_refused
from backend.bridge.portfolio.portfolio import Portfolios
from backend.errors import OrderRefused
from backend.schemas.orders import NewOrder
from backend.settings.model import Settings


class PreTradeRisk:
    """Raises the limit that an order would break; used on the bot's loop."""

    def __init__(self, ledger: Ledger, portfolios: Portfolios, limits: RiskLimits) -> None:
        self._ledger = ledger
        self._portfolios = portfolios
        self._limits = limits
        self._placing: dict[str, int] = {}

    @property
    def limits_value(self) -> bool:
        """Whether a limit of an order's value is in force."""
        return self._limits.current().max_order_value is not None

    def broken(self, asked: NewOrder, price: Decimal) -> list[OrderRefused]:
        """Return each limit that an order would break at this price.

        An order that only reduces a position breaks none: it lowers the risk.
        """
        if asked.reduce_only:
            return []
        return self._limits.broken_limits(self._risk_of(asked, price))

    def broken_by_change(self, asked: NewOrder, price: Decimal) -> list[OrderRefused]:
        """Return each limit that an open order would break with new values.

        The number of open orders is not checked: the order is one of them already.
        """
        return self._limits.broken_limits(replace(self._risk_of(asked, price), open_orders=0))

    @contextlib.contextmanager
    def check(self, asked: NewOrder, price: Decimal, order_id: str) -> Iterator[None]:
        """Raise the limit that an order breaks, else count it while it is being placed."""
        if not asked.reduce_only:
            if self._limits.current().max_daily_loss is not None:
                self._portfolios.refresh_outdated()  # the loss of the previous order counts
            self._limits.check(self._risk_of(asked, price))
        self._placing[order_id] = _count(asked)
        try:
            yield
        finally:
            del self._placing[order_id]

    def check_strategy_order(self, order: OctoBotOrder) -> None:
        """Raise OctoBot's own error when a strategy's new order breaks a limit.

        An order being placed inside `check`, or restored after a restart, passes.
        """
        if order.order_id in self._placing or self.is_known(order):
            return
        if order.reduce_only:
            return
        cost = order.origin_quantity * (order.origin_price or order.created_last_price)
        count = 0 if is_market(order) else 1
        broken = self._limits.broken_limits(self._order_risk(order.symbol, cost, count))
        if broken:
            raise creation_refused(f"risk limit: {broken[0].details}")

    def is_known(self, order: OctoBotOrder) -> bool:
        """Return whether the ledger has the order: it is restored, or protects a fill."""
        return self._ledger.orders.get(order.order_id) is not None

    def _risk_of(self, asked: NewOrder, price: Decimal) -> OrderRisk:
        """Return the risk of an order, valued at its greatest possible proceeds or cost."""
        market_price = asked.stop_price or price
        if asked.price is None:
            unit = market_price
        else:
            unit = asked.price if asked.side == "buy" else max(asked.price, market_price)
        return self._order_risk(asked.symbol, asked.quantity * unit, _count(asked))

    def _order_risk(self, symbol: str, cost: Decimal, count: int) -> OrderRisk:
        _, quote = assets_of(symbol)
        rate = self._portfolios.price_of(quote)
        known = self._ledger.orders
        placing = sum(n for order_id, n in self._placing.items() if known.get(order_id) is None)
        return OrderRisk(
            symbol,
            None if rate is None else cost * rate,
            len(self._ledger.open_orders) + placing + count if count else 0,
        )


def limits_from(settings: Settings) -> Limits:
    """Return the limits of the settings."""
    return Limits(
        max_order_value=settings.risk_max_order_value,
        max_open_orders=settings.risk_max_open_orders,
        symbols=frozenset(settings.risk_symbols) or None,
        max_daily_loss=settings.risk_max_daily_loss,
    )


def _count(asked: NewOrder) -> int:
    """Return how many orders an order may leave open: itself, or its exits."""
    exits = (asked.take_profit is not None) + (asked.stop_loss is not None)
    return max(exits, 0 if asked.type == "market" else 1)
