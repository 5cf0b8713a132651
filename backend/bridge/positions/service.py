"""Positions service: reads and closes futures positions and configures their contracts."""

from __future__ import annotations

from decimal import Decimal

from pydantic import TypeAdapter

from backend.bridge.context import BotContext
from backend.bridge.ledger.commit_wait import wait_until_durable
from backend.bridge.octobot.exchange import Exchange
from backend.bridge.orders.execution import OrderExecution
from backend.bridge.orders.idempotency import IdempotentOrders
from backend.bridge.orders.intent_keys import new_intent
from backend.bridge.orders.validation import check_reduces
from backend.bridge.positions.tracker import PositionTracker
from backend.bridge.read_models.envelopes import etag_of, serialize
from backend.bridge.read_models.ttl_cache import TtlCache
from backend.errors import PositionClosing, PositionNotOpen, SpotExchange
from backend.ports.serialized import SerializedResponse
from backend.schemas.orders import NewOrder, Order
from backend.schemas.positions import ClosePosition, Position, PositionChange, PositionQuery

_NONE_FOR_S = 0.5
_POSITIONS = TypeAdapter(list[Position])


class Positions:
    """Positions of every exchange; may be called from any thread."""

    def __init__(
        self,
        context: BotContext,
        execution: OrderExecution,
        idempotency: IdempotentOrders,
        tracker: PositionTracker,
    ) -> None:
        self._context = context
        self._runner = context.runner
        self._ledger = context.ledger
        self._portfolios = context.portfolio
        self._execution = execution
        self._idempotency = idempotency
        self._tracker = tracker
        self._closing: set[tuple[str, str]] = set()
        self._none = TtlCache(_NONE_FOR_S)

    def read(self, query: PositionQuery) -> SerializedResponse:
        """Return the result of `find`, serialized.

        Never cached where futures are traded: marks and profits move with every price,
        and the effect of an order shows in the next response.
        """
        self._runner.executor.require_ready()
        if any(exchange.is_futures for exchange in list(self._runner.exchanges.values())):
            data = self._dump(query)
            return serialize(data, etag_of(data))
        return self._none.get(query, lambda: self._dump(query))

    def _dump(self, query: PositionQuery) -> bytes:
        return _POSITIONS.dump_json(self.find(query))

    def find(self, query: PositionQuery) -> list[Position]:
        """Return positions, by exchange and symbol; none for exchanges that trade spot."""
        return self._runner.executor.run(self._find, query)

    def get(self, symbol: str, exchange: str | None) -> Position:
        """Return one position, or the settings of its contract while none is open.

        Raises `SpotExchange` or `InvalidSymbol`.
        """
        return self._runner.executor.run(self._get, symbol, exchange)

    def close(
        self,
        symbol: str,
        asked: ClosePosition,
        *,
        user_id: str = "",
        idempotency_key: str | None = None,
    ) -> Order:
        """Place an order that closes a position, whole or in part, and return the order's state.

        It never opens the other side. Keys work as they do for other orders.

        Raises `PositionNotOpen`, `PositionClosing` when another request closes it,
        `PositionExceeded`, `SpotExchange`, and the errors of placing an order.
        """
        self._runner.executor.require_ready()
        exchange = asked.exchange or next(iter(self._runner.exchanges), "")
        intent = new_intent(
            {"close": symbol, **asked.model_dump(mode="json")},
            account=self._ledger.account(exchange),
            user_id=user_id,
            idempotency_key=idempotency_key,
            client_order_id=asked.client_order_id,
        )
        return self._idempotency.place_resolved(
            intent, lambda: self._runner.executor.run(self._as_order, symbol, asked), self._close
        )

    def change(self, symbol: str, change: PositionChange) -> Position:
        """Change leverage or margin mode of a contract and of its open position.

        Raises `LeverageOutOfRange`, `PositionOpen`, `InsufficientFunds`,
        `WouldBeLiquidated`, `SpotExchange`, or the exchange's error.
        """
        position = self._runner.executor.run_command(self._change, symbol, change)
        wait_until_durable(self._context.outbox, self._context.host)
        return position

    # ---- on the bot's loop

    async def _find(self, query: PositionQuery) -> list[Position]:
        chosen = self._runner.exchanges
        if query.exchange is not None:
            chosen = {query.exchange: self._runner.exchange(query.exchange)}
        found = [
            self._tracker.position(exchange, symbol)
            for _, exchange in sorted(chosen.items())
            if exchange.is_futures
            for symbol in self._tracker.symbols(exchange)
            if query.symbol in (None, symbol)
        ]
        return [
            position
            for position in found
            if (query.status == "all" or position.side is not None)
            and query.side in (None, position.side)
        ]

    async def _get(self, symbol: str, exchange: str | None) -> Position:
        return self._tracker.position(self._futures(symbol, exchange), symbol)

    async def _as_order(self, symbol: str, asked: ClosePosition) -> NewOrder:
        exchange = self._futures(symbol, asked.exchange)
        await self._tracker.refresh(exchange, symbol)
        position = self._tracker.position(exchange, symbol)
        if position.side is None:
            raise PositionNotOpen(f"no position is open in {symbol}")
        return NewOrder.model_validate(
            {
                "symbol": symbol,
                "side": "sell" if position.side == "long" else "buy",
                "type": asked.type,
                "quantity": asked.quantity or position.quantity,
                "price": asked.price,
                "exchange": asked.exchange,
                "reduce_only": True,
                "client_order_id": asked.client_order_id,
                "tag": asked.tag,
            }
        )

    async def _close(self, asked: NewOrder, order_id: str) -> Order:
        exchange = self._futures(asked.symbol, asked.exchange)
        contract = (exchange.name, asked.symbol)
        if contract in self._closing:
            raise PositionClosing("another request closes the position right now")
        self._closing.add(contract)
        try:
            await self._tracker.refresh(exchange, asked.symbol)
            self._check(exchange, asked)
            return await self._execution.place(asked, order_id)
        finally:
            self._closing.discard(contract)

    async def _change(self, symbol: str, change: PositionChange) -> Position:
        exchange = self._futures(symbol, change.exchange)
        leverage = None if change.leverage is None else Decimal(change.leverage)
        await self._tracker.configure(exchange, symbol, leverage, change.margin_mode)
        self._portfolios.refresh()
        return self._tracker.position(exchange, symbol)

    def _check(self, exchange: Exchange, asked: NewOrder) -> None:
        """Check the position again: it may have changed since the request began."""
        position = self._tracker.position(exchange, asked.symbol)
        if position.side is None or (position.side == "long") == (asked.side == "buy"):
            raise PositionNotOpen(f"the position in {asked.symbol} has been closed meanwhile")
        size = position.quantity if position.side == "long" else -position.quantity
        check_reduces(size, asked)
        resting = sum(
            entry.item.remaining
            for entry in self._ledger.open_orders
            if _closes_with_a_limit(entry.item, exchange.name, asked)
        )
        if asked.type == "limit" and resting + asked.quantity > position.quantity:
            raise PositionClosing("limit orders that rest already close it; cancel them first")

    def _futures(self, symbol: str, name: str | None) -> Exchange:
        exchange = self._runner.exchange(name)
        if not exchange.is_futures:
            raise SpotExchange(f"{exchange.name} trades spot: see BACKEND_EXCHANGE_TYPE")
        exchange.market.require_symbol(symbol)
        return exchange


def _closes_with_a_limit(order: Order, exchange: str, asked: NewOrder) -> bool:
    """Return whether a resting order closes the position; an entry's exits do not count."""
    return (
        order.reduce_only
        and order.type == "limit"
        and order.parent_order_id is None
        and (order.exchange, order.symbol, order.side) == (exchange, asked.symbol, asked.side)
    )
