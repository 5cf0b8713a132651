"""The risk limits at work: asked before each order, and watching the day's loss."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import octobot_trading.errors as trading_errors

from backend.accounting.balances import assets_of
from backend.accounting.limits import Risked
from backend.accounting.risk import RiskLimits
from backend.bridge.engine import Engine, Status
from backend.bridge.ledger import Ledger
from backend.bridge.portfolio import Portfolios
from backend.errors import OrderRefused
from backend.schemas.common import utc_now
from backend.schemas.orders import NewOrder
from backend.schemas.worth import Worth

log = logging.getLogger(__name__)


class Guard:
    """Keeps orders to the limits and pauses the bot at the day's; used on the bot's loop.

    Only who resumes the bot, or midnight UTC, ends a pause that the day's loss
    brought about; midnight ends no other.
    """

    def __init__(
        self, engine: Engine, ledger: Ledger, portfolios: Portfolios, limits: RiskLimits
    ) -> None:
        self._engine = engine
        self._ledger = ledger
        self._portfolios = portfolios
        self._limits = limits
        self._placing: dict[str, int] = {}
        self._has_paused = False
        self._state = engine.status.state

    def broken(self, asked: NewOrder, price: Decimal) -> list[OrderRefused]:
        """Return each limit that an order would break at this price."""
        return self._limits.broken(self._risked(asked, price))

    @contextlib.contextmanager
    def admit(self, asked: NewOrder, price: Decimal, order_id: str) -> Iterator[None]:
        """Raise the limit that an order breaks, else count it while it is being placed."""
        self._limits.check(self._risked(asked, price))
        self._placing[order_id] = _count(asked)
        try:
            yield
        finally:
            del self._placing[order_id]

    def admit_own(self, order: Any) -> None:
        """Raise OctoBot's own error when a strategy's new order breaks a limit.

        What is placed through `admit`, put back after a restart or brought
        about by another order passes.
        """
        if order.order_id in self._placing or self._ledger.orders.get(order.order_id) is not None:
            return
        rests = not order.is_filled() and "market" not in str(order.order_type.value)
        value = self._portfolios.value_of(
            order.symbol, order.origin_quantity * (order.origin_price or order.created_last_price)
        )
        broken = self._limits.broken(
            Risked(order.symbol, value, self._open_orders(1) if rests else 0)
        )
        if broken:
            raise trading_errors.OrderCreationError(f"risk limit: {broken[0].details}")

    def take_worth(self, worth: Worth) -> None:
        """Note what the account is worth; pause the bot, or end the pause, as the limit says."""
        if worth.complete:
            self._limits.note_value(worth.total_value, utc_now())
        state = self._engine.status.state
        if self._limits.loss_limit_reached and state == "running":
            log.warning("trading is paused: the day's loss has reached its limit")
            self._has_paused = True
            self._engine.set_paused(True)
        elif not self._limits.loss_limit_reached and self._has_paused and state == "paused":
            self._engine.set_paused(False)

    def note(self, status: Status) -> None:
        """Take a resumption for the permission to go on; called at each change of state."""
        before, self._state = self._state, status.state
        if status.state == "paused":
            return
        if before == "paused" and status.state == "running":
            self._limits.resume(utc_now())
        self._has_paused = False
