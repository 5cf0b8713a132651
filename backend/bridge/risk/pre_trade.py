"""The risk limits at work: asked before each order, and watching the day's loss."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import octobot_trading.errors as trading_errors
from octobot_trading.enums import TraderOrderType

from backend.accounting.balances import assets_of
from backend.accounting.risk import Limits, OrderRisk, RiskLimits, TradingDay
from backend.bridge.ledger.bot_state import SavedBotState
from backend.bridge.ledger.ledger import Ledger
from backend.bridge.portfolio.portfolio import Portfolios
from backend.bridge.runtime.runner import BotRunner
from backend.bridge.status import Status
from backend.errors import OrderRefused
from backend.ports.account_value import AccountValue
from backend.schemas.common import utc_now
from backend.schemas.orders import NewOrder
from backend.settings.model import Settings

_REASON = "the day's loss has reached the risk limit"
_MARKET = (TraderOrderType.BUY_MARKET, TraderOrderType.SELL_MARKET)

log = logging.getLogger(__name__)


class PreTradeRisk:
    """Keeps orders to the limits and pauses the bot at the day's; used on the bot's loop.

    Only who resumes the bot, or midnight UTC, ends a pause that the day's loss
    brought about; midnight ends no other.
    """

    def __init__(
        self,
        runner: BotRunner,
        ledger: Ledger,
        portfolios: Portfolios,
        limits: RiskLimits,
        saved_state: SavedBotState,
    ) -> None:
        self._runner = runner
        self._ledger = ledger
        self._portfolios = portfolios
        self._limits = limits
        self._placing: dict[str, int] = {}
        self._is_watching = False
        self._saved_state = saved_state
        self._state = runner.status.state
        kept = saved_state.load("day")
        if kept:
            limits.restore(_day_from(kept))

    def broken(self, asked: NewOrder, price: Decimal) -> list[OrderRefused]:
        """Return each limit that an order would break at this price.

        What only reduces a position breaks none: it lowers what is at risk.
        """
        if asked.reduce_only:
            return []
        return self._limits.broken_limits(self._risked(asked, price))

    def broken_by_change(self, asked: NewOrder, price: Decimal) -> list[OrderRefused]:
        """Return each limit that an open order would break with new values; it is counted as is."""
        return self._limits.broken_limits(replace(self._risked(asked, price), open_orders=0))

    @contextlib.contextmanager
    def admit(self, asked: NewOrder, price: Decimal, order_id: str) -> Iterator[None]:
        """Raise the limit that an order breaks, else count it while it is being placed."""
        if not asked.reduce_only:
            if self._limits.current().max_daily_loss is not None:
                self._portfolios.refresh_outdated()  # what the order before this one lost counts
            self._limits.check(self._risked(asked, price))
        self._placing[order_id] = _count(asked)
        try:
            yield
        finally:
            del self._placing[order_id]

    def check_strategy_order(self, order: Any) -> None:
        """Raise OctoBot's own error when a strategy's new order breaks a limit.

        What is being placed through `admit`, or put back after a restart, passes.
        """
        if order.order_id in self._placing or self.is_entered(order):
            return
        if order.reduce_only:
            return
        cost = order.origin_quantity * (order.origin_price or order.created_last_price)
        count = 0 if order.order_type in _MARKET else 1
        broken = self._limits.broken_limits(self._at_risk(order.symbol, cost, count))
        if broken:
            raise trading_errors.OrderCreationError(f"risk limit: {broken[0].details}")

    def is_entered(self, order: Any) -> bool:
        """Tell whether the ledger has an order already: then it is put back, or protects a fill."""
        return self._ledger.orders.get(order.order_id) is not None

    def begin(self) -> None:
        """Watch the account from now on: what was told before was told while it was restored."""
        self._is_watching = True
        self._portfolios.refresh()

    def take_value(self, worth: AccountValue) -> None:
        """Note what the account is worth; pause the bot, or end the pause, as the limit says."""
        if not self._is_watching:
            return
        if worth.complete:
            series = (worth.account, worth.reference_market)
            self._limits.record_value(series, worth.total_value, utc_now())
            self._keep_day()
        status = self._runner.status
        if self._limits.loss_limit_reached and status.state == "running":
            log.warning("trading is paused: %s", _REASON)
            self._runner.set_paused(True, _REASON)
        elif not self._limits.loss_limit_reached and status == ("paused", _REASON):
            self._runner.set_paused(False)

    def note(self, status: Status) -> None:
        """Take a resumption for the permission to go on; called at each change of state."""
        before, self._state = self._state, status.state
        if status.state not in ("running", "paused"):
            self._is_watching = False
        if status.state == "paused":
            return
        if before == "paused" and status.state == "running" and self._limits.loss_limit_reached:
            self._limits.resume(utc_now())
            self._keep_day()

    def _keep_day(self) -> None:
        """Keep what the day's loss is counted from, and how low it was if that was too low."""
        day = self._limits.day
        if day is not None:
            reached = self._limits.loss_limit_reached
            self._saved_state.save(
                "day",
                series=list(day.series),
                counted_since=day.counted_since.isoformat(),
                opening_value=str(day.opening_value),
                lowest_value=str(day.lowest_value if reached else day.opening_value),
            )

    def _risked(self, asked: NewOrder, price: Decimal) -> OrderRisk:
        """Value an order at the most that it may bring or cost: the market fills at its price."""
        begins = asked.stop_price or price
        if asked.price is None:
            unit = begins
        else:
            unit = asked.price if asked.side == "buy" else max(asked.price, begins)
        return self._at_risk(asked.symbol, asked.quantity * unit, _count(asked))

    def _at_risk(self, symbol: str, cost: Decimal, count: int) -> OrderRisk:
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
    """Return the limits that the settings ask for."""
    return Limits(
        max_order_value=settings.risk_max_order_value,
        max_open_orders=settings.risk_max_open_orders,
        symbols=frozenset(settings.risk_symbols) or None,
        max_daily_loss=settings.risk_max_daily_loss,
    )


def _day_from(memo: Mapping[str, Any]) -> TradingDay:
    account, reference_market = memo["series"]
    lowest = Decimal(memo["lowest_value"])
    return TradingDay(
        series=(account, reference_market),
        counted_since=datetime.fromisoformat(memo["counted_since"]),
        opening_value=Decimal(memo["opening_value"]),
        value=lowest,
        lowest_value=lowest,
    )


def _count(asked: NewOrder) -> int:
    """Return how many orders an order may leave open: itself, or its exits."""
    exits = (asked.take_profit is not None) + (asked.stop_loss is not None)
    return max(exits, 0 if asked.type == "market" else 1)
