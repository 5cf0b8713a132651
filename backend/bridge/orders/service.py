"""Orders service: places, lists, amends and cancels orders; called from any thread."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, ParamSpec, TypeVar

from backend.bridge.context import BotContext
from backend.bridge.ledger.commit_wait import wait_until_durable
from backend.bridge.ledger.history import Entry
from backend.bridge.ledger.journal_pages import with_older
from backend.bridge.ledger.order_state import OPEN_STATUSES
from backend.bridge.orders.amend import change_order
from backend.bridge.orders.execution import OrderExecution
from backend.bridge.orders.idempotency import IdempotentOrders
from backend.bridge.orders.intent_keys import new_intent
from backend.bridge.orders.preview import preview_order
from backend.bridge.read_models.envelopes import serialize_page
from backend.bridge.read_models.page_cache import PageCache
from backend.errors import ApiError, OrderNotFound, OrderNotOpen
from backend.pagination import decode_cursor, encode_cursor
from backend.ports.journal import StoredOrder
from backend.ports.serialized import SerializedResponse
from backend.schemas.common import ProblemField
from backend.schemas.order_commands import (
    CancelQuery,
    ChangedOrder,
    OrderBatch,
    OrderChange,
    OrderPreview,
    OrderProblem,
    OrderResult,
)
from backend.schemas.orders import NewOrder, Order, OrderQuery

P = ParamSpec("P")
T = TypeVar("T")


class Orders:
    """Orders of every exchange; may be called from any thread."""

    def __init__(
        self, context: BotContext, execution: OrderExecution, idempotency: IdempotentOrders
    ) -> None:
        self._context = context
        self._runner = context.runner
        self._ledger = context.ledger
        self._journal = context.journal
        self._host = context.host
        self._execution = execution
        self._idempotency = idempotency
        self._pages = PageCache()

    # ---- reads

    def page(self, query: OrderQuery) -> SerializedResponse:
        """Return one page of orders, newest first; new ones do not shift later pages."""
        self._runner.executor.require_ready()
        version = self._ledger.version
        return self._pages.get(version, query, lambda: self._build_page(query))

    def _build_page(self, query: OrderQuery) -> SerializedResponse:
        before = decode_cursor("orders", query.cursor)
        if query.status == "open":
            rows = [
                entry
                for entry in self._ledger.open_orders
                if (before is None or entry.place < before) and _wanted(query, entry.item)
            ]
            found = rows[: query.limit]
            more = found[-1].place if len(rows) > query.limit else None
        else:
            found, more = self._ledger.orders.page(
                query.limit, before, lambda order: _wanted(query, order)
            )
            if more is None and not self._ledger.orders.complete:
                found, more = with_older(
                    self._ledger.orders,
                    found,
                    query.limit,
                    before,
                    lambda place, count: self._older(query, place, count),
                    lambda row: self._entry(query, row),
                )
        cursor = None if more is None else encode_cursor("orders", more)
        return serialize_page((entry.json for entry in found), query.limit, cursor)

    def get(self, order_id: str) -> Order:
        """Return one order, open or closed. Raises `OrderNotFound`."""
        self._runner.executor.require_ready()
        entry = self._ledger.orders.get(order_id)
        if entry is not None:
            return entry.item
        stored = self._host.call_blocking(self._journal.find_order, order_id=order_id)
        if stored is None:
            raise OrderNotFound("no order has this id")
        return stored.order

    def preview(self, asked: NewOrder) -> OrderPreview:
        """Return the cost of an order and the rules that it breaks, without placing it."""
        return self._runner.executor.run(preview_order, self._context, asked)

    # ---- commands

    def create(
        self, asked: NewOrder, *, user_id: str = "", idempotency_key: str | None = None
    ) -> Order:
        """Place an order and return its present state: market orders are filled by then.

        The same key (or client order id) and body of one user return the first result
        for 24 hours; see `IdempotentOrders.place`.

        Raises the `OrderRefused` that names the broken rule, `InvalidSymbol`,
        `InvalidExchange`, `TradingPaused`, or the exchange's error.
        """
        self._runner.executor.require_ready()
        exchange = asked.exchange or next(iter(self._runner.exchanges), "")
        intent = new_intent(
            asked.model_dump(mode="json"),
            account=self._ledger.account(exchange),
            user_id=user_id,
            idempotency_key=idempotency_key,
            client_order_id=asked.client_order_id,
        )
        return self._idempotency.place(
            intent, lambda order_id: self._execution.place(asked, order_id)
        )

    def create_many(
        self, batch: OrderBatch, *, user_id: str = "", idempotency_key: str | None = None
    ) -> list[OrderResult]:
        """Place orders one after the other; each has its own outcome, in the batch's order."""
        results = []
        for index, asked in enumerate(batch.orders):
            key = None if idempotency_key is None else f"{idempotency_key}#{index}"
            try:
                order = self.create(asked, user_id=user_id, idempotency_key=key)
                results.append(OrderResult(id=order.id, order=order))
            except ApiError as error:
                results.append(OrderResult(problem=_problem(error)))
        return results

    def change(self, order_id: str, change: OrderChange) -> ChangedOrder:
        """Change an open order; the result says whether the exchange edited or replaced it.

        Raises `OrderNotFound`, `OrderNotOpen`, or the rule that the change breaks: the
        order is unchanged then.
        """
        return self._durably(change_order, self._context, self._execution, order_id, change)

    def cancel(self, order_id: str) -> Order:
        """Cancel one open order and return its final state.

        A fill before the cancel wins: the order is then returned as filled, and no
        error is raised.

        Raises `OrderNotFound` if there is no such order, `OrderNotOpen` if it had ended before.
        """
        return self._durably(self._execution.cancel, order_id)

    def cancel_many(self, query: CancelQuery) -> list[OrderResult]:
        """Cancel all open orders, or those of a symbol or side; each has its own outcome."""
        return self._durably(self.cancel_many_on_loop, query)

    async def cancel_many_on_loop(
        self, query: CancelQuery, until: datetime | None = None
    ) -> list[OrderResult]:
        """Cancel them on the bot's loop, except those placed later than `until`."""
        results: dict[str, OrderResult] = {}
        while orders := list(self._canceled_by(query, until, results)):
            for order in orders:
                results[order.id] = await self._cancel_one(order.id)
        return list(results.values())

    def _canceled_by(
        self, query: CancelQuery, until: datetime | None, done: Mapping[str, OrderResult]
    ) -> Iterator[Order]:
        """Return the orders to cancel: all at first, then the exits of entries filled meanwhile."""
        for entry in self._ledger.open_orders:
            order = entry.item
            if query.symbol not in (None, order.symbol) or query.side not in (None, order.side):
                continue
            if until is not None and order.created_at > until:
                continue
            if order.id not in done and (not done or order.parent_order_id in done):
                yield order

    async def _cancel_one(self, order_id: str) -> OrderResult:
        try:
            ended = await self._execution.cancel(order_id)
        except OrderNotOpen:  # canceled with its sibling, which is another of these
            ended = self._execution.get(order_id)
        except ApiError as error:
            return OrderResult(id=order_id, problem=_problem(error))
        return OrderResult(id=ended.id, order=ended)

    def _durably(
        self, command: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a command on the bot's loop, and wait until its changes are durable."""
        outcome = self._runner.executor.run_command(command, *args, **kwargs)
        wait_until_durable(self._context.outbox, self._host)
        return outcome

    def _older(self, query: OrderQuery, place: int, count: int) -> Sequence[StoredOrder]:
        return self._host.call_blocking(
            self._journal.orders_before,
            place,
            count,
            symbol=query.symbol,
            side=query.side,
            status=query.status,
        )

    def _entry(self, query: OrderQuery, row: StoredOrder) -> Entry[Order] | None:
        order = row.order
        if row.account != self._ledger.account(order.exchange) or not _wanted(query, order):
            return None
        return Entry(row.place, order, order.model_dump_json().encode())


def _wanted(query: OrderQuery, order: Order) -> bool:
    return (
        (query.status != "closed" or order.status not in OPEN_STATUSES)
        and query.symbol in (None, order.symbol)
        and query.side in (None, order.side)
        and query.client_order_id in (None, order.client_order_id)
        and (query.since is None or order.created_at >= query.since)
        and (query.until is None or order.created_at < query.until)
    )


def _problem(error: ApiError) -> OrderProblem:
    fields = [ProblemField(field=f.field, message=f.message) for f in error.fields]
    return OrderProblem(
        code=error.status,
        type=error.type,
        error=error.title,
        details=error.details,
        fields=fields or None,
    )
