"""RealFills: keeps the fills of real orders true to what their exchange tells and has executed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta

from backend.accounting.decimals import EXACT
from backend.bridge.ledger.order_fills import ToldOrders, price_of_rest, with_condition, with_fills
from backend.bridge.ledger.order_ids import OrderIds
from backend.bridge.ledger.order_state import OPEN_STATUSES, REPORTED, OrderEvent
from backend.bridge.ledger.order_store import OrderStore
from backend.bridge.octobot.executions import FetchedExecution
from backend.bridge.octobot.order_rows import ToldOrder
from backend.schemas.common import utc_now
from backend.schemas.orders import Order
from backend.schemas.trades import Trade

_LOOKED_UP_FOR = timedelta(days=7)
_ENDS_EARLY = frozenset({"canceled", "expired", "rejected"})


class RealFills:
    """Fills of the orders of real accounts; used on the bot's loop only.

    A trade is an execution that the exchange has told. What has filled beyond those is an
    estimated trade at most, which the executions replace.
    """

    def __init__(
        self, store: OrderStore, ids: OrderIds, update: Callable[[Order, OrderEvent], Order]
    ) -> None:
        self._store = store
        self._ids = ids
        self._update = update
        self._told = ToldOrders()
        self._on_due: Callable[[Order], None] = _ignore

    @property
    def replacements(self) -> int:
        """The number of estimated trades that executions have replaced."""
        return self._store.replacements

    def listen(self, on_due: Callable[[Order], None]) -> None:
        """Call `on_due` for each order whose executions are to be fetched."""
        self._on_due = on_due

    def order(self, order_id: str) -> Order | None:
        """Return an order that is in memory."""
        entry = self._store.orders.get(order_id)
        return None if entry is None else entry.item

    def lacks(self, order: Order) -> bool:
        """Return whether more has filled than the known executions."""
        sums = self._store.sums(order.id)
        return order.filled > sums.quantity or sums.estimate is not None

    def exchange_id(self, order_id: str) -> str | None:
        """Return the exchange's id of an order."""
        return self._ids.exchange_id(order_id)

    def told(self, order: Order) -> ToldOrder | None:
        """Return what the exchange has told of an order in this run."""
        return self._told.get(order.exchange, self._ids.exchange_id(order.id))

    def note(self, exchange: str, told: ToldOrder) -> None:
        """Record at once what an exchange tells of the fills of an open order."""
        if not self._told.note(exchange, told):
            return
        entry = self._store.orders.get(self._ids.of_exchange_id(told.exchange_id) or "")
        order = None if entry is None else entry.item
        if order is None or order.status not in ("open", "partially_filled"):
            return
        if told.condition is not None and order.type in ("market", "limit"):
            # a start that could not fetch the open orders did not know its trigger
            now = order.model_copy(update={"updated_at": utc_now()})
            order = self._update(with_condition(now, told), REPORTED[order.status])
        if not told.filled:
            return
        filled = self.complete(order)
        if filled.filled != order.filled and filled.status == "partially_filled":
            filled = filled.model_copy(update={"updated_at": utc_now()})
            self._update(filled, "reported_partially_filled")

    def complete(self, order: Order) -> Order:
        """Return an order with the fills that are known of it."""
        told, sums = self.told(order), self._store.sums(order.id)
        if told is None and not sums.quantity:
            return order
        return with_fills(order, told, sums)

    def adopt(self, order: Order, exchange_id: str | None) -> Order:
        """Return an order that was placed elsewhere as its exchange tells it."""
        return with_condition(order, self._told.get(order.exchange, exchange_id))

    def check(self, order: Order) -> None:
        """Request the executions of an order that lacks some."""
        if self.is_due(order):
            self._on_due(order)

    def is_due(self, order: Order) -> bool:
        """Return whether an order has executions that are not known, or may have some."""
        if order.status == "unknown" or self._ids.exchange_id(order.id) is None:
            return False
        if self.lacks(order):
            return True
        told = self.told(order)
        return order.status in _ENDS_EARLY and (told is None or not told.is_final)

    def left_due(self, exchange: str) -> Iterator[Order]:
        """Yield the orders of earlier runs that lack executions, newest first."""
        oldest = utc_now() - _LOOKED_UP_FOR
        for entry in self._store.orders.newest_first():
            order = entry.item
            if order.exchange == exchange and order.updated_at > oldest and self.lacks(order):
                yield order

    def record(self, exchange: str, executions: Iterable[FetchedExecution]) -> None:
        """Record executions of known orders, each once, in place of what was estimated."""
        by_order: dict[str, list[Trade]] = {}
        for execution in executions:
            order_id = self._ids.of_exchange_id(execution.exchange_order_id)
            entry = None if order_id is None else self._store.orders.get(order_id)
            if entry is None or entry.item.exchange != exchange:
                continue
            if self._store.trades.get(execution.id) is None:
                order = entry.item
                trade = execution.as_trade(exchange, order.id, order.client_order_id)
                by_order.setdefault(order.id, []).append(trade)
        for order_id, trades in by_order.items():
            self._record(order_id, trades)

    def _record(self, order_id: str, trades: list[Trade]) -> None:
        store = self._store
        entry = store.orders.get(order_id)
        if entry is None:
            return
        order = entry.item
        with store.transaction():
            store.replace_estimate(order_id)
            most = max(order.quantity, order.filled)
            for trade in trades:
                # one beyond that was booked by an earlier version, under OctoBot's own id
                if EXACT.add(store.traded(order_id), trade.quantity) <= most:
                    store.put_trade(trade)
            self.correct(order)

    def estimate(self, order: Order) -> None:
        """Record a trade that stands for executions which the exchange does not tell (yet)."""
        store, sums = self._store, self._store.sums(order.id)
        rest = EXACT.subtract(order.filled, sums.quantity)
        if rest <= 0 or (sums.estimate is not None and sums.estimate.quantity == rest):
            return
        told = self.told(order)
        price = price_of_rest(order, order.filled, told, sums) or order.average_price
        if price is None:
            return
        fees = () if told is None or sums.quantity else told.fees
        trade = Trade(
            id=f"{order.id}:estimate:{order.filled}",
            order_id=order.id,
            client_order_id=order.client_order_id,
            exchange=order.exchange,
            symbol=order.symbol,
            side=order.side,
            price=price,
            quantity=rest,
            cost=EXACT.multiply(rest, price),
            fee=fees[0] if len(fees) == 1 else None,
            fees=fees if len(fees) > 1 else (),
            liquidity=None,
            executed_at=order.updated_at,
            estimated=True,
        )
        with store.transaction():
            store.replace_estimate(order.id)
            store.put_trade(trade)

    def correct(self, order: Order) -> None:
        """Set an order's sums to those of its trades, and of what is told beyond them."""
        corrected = self.complete(order)
        if corrected.status != order.status:  # OctoBot reports that, with what follows from it
            corrected = corrected.model_copy(update={"status": order.status})
        if order.status == "open" and corrected.filled:
            corrected = corrected.model_copy(update={"status": "partially_filled"})
        if corrected != order:
            corrected = corrected.model_copy(update={"updated_at": utc_now()})
            self._store.put_order(corrected, had_ended=order.status not in OPEN_STATUSES)


def _ignore(order: Order) -> None:
    pass
