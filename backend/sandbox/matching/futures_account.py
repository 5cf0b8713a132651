"""Futures accounts of the sandbox exchange: positions, margin, funding, liquidation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from ccxt.base.errors import BadRequest, InsufficientFunds, InvalidOrder

from backend.accounting.contract_position import (
    MAX_LEVERAGE,
    ContractPosition,
    MarginMode,
    average_price,
    position_from_json,
    position_to_json,
)
from backend.accounting.margin import MarginAccount, OrderExposure, Prices
from backend.sandbox.market.listings import TAKER_FEE
from backend.sandbox.market.market import Market
from backend.sandbox.matching.fills import Match
from backend.sandbox.matching.orders import Fill, NewOrder, Order, Side

FUNDING_RATE = Decimal("0.0001")
FUNDING_EVERY = timedelta(hours=8)
_FEE_STEP = Decimal("1e-8")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class FuturesAccount:
    """Positions of one API key in contracts that settle in one asset; errors are ccxt's own."""

    def __init__(self, margin: MarginAccount, seen_ms: int = 0) -> None:
        self.margin = margin
        self._advanced_until_ms = seen_ms

    # ---- orders

    def reserve_margin(self, order: Order, price: Decimal, prices: Prices) -> None:
        """Reserve the margin of an order; raises `InsufficientFunds` or `InvalidOrder`."""
        request = order.request
        quantity, position = signed_amount(request), self.margin.position(request.symbol)
        opened = position.opening_quantity(quantity)
        if request.reduce_only:
            if opened == request.amount:
                raise InvalidOrder("a reduce-only order finds no position to reduce")
            return
        exposure = OrderExposure(request.symbol, opened * price, _fee(opened * price))
        if opened and self.margin.available(prices) < self.margin.required_margin(exposure):
            raise InsufficientFunds(f"{self.margin.required_margin(exposure)} of margin needed")
        self.margin.order_exposures[order.id] = exposure

    def release_margin(self, order: Order) -> OrderExposure | None:
        """Release the margin of an order, and return its exposure."""
        return self.margin.order_exposures.pop(order.id, None)

    def settle(self, order: Order, match: Match, fill_id: str, prices: Prices) -> None:
        """Settle the execution of an order; one that may not open its position is rejected."""
        request = order.request
        self.release_margin(order)
        quantity, position = signed_amount(request), self.margin.position(request.symbol)
        cost = request.amount * match.price
        fee = _fee(cost)
        steps = position.apply_fill(quantity, cost, fee, _time(match.time_ms))
        order.updated_ms = match.time_ms
        if position.opening_quantity(quantity):
            after = MarginAccount(self.margin.wallet, self.margin.positions)
            after.order_exposures = self.margin.order_exposures
            after.apply(request.symbol, steps)
            if request.reduce_only or after.available(prices) < 0:
                order.status = "canceled" if request.reduce_only else "rejected"
                return
        self.margin.apply(request.symbol, steps)
        fill = Fill(fill_id, match.time_ms, match.price, request.amount, fee, match.liquidity)
        order.fills.append(fill)
        order.status = "closed"

    # ---- settings

    def set_leverage(self, symbol: str, leverage: int, prices: Prices) -> None:
        """Change a contract's leverage; raises `BadRequest` or `InsufficientFunds`."""
        if not 1 <= leverage <= MAX_LEVERAGE:
            raise BadRequest(f"leverage is from 1 to {MAX_LEVERAGE}")
        changed = self.margin.with_settings(symbol, Decimal(leverage), None)
        needs_more = (
            changed.position_margin + changed.order_margin
            > self.margin.position_margin + self.margin.order_margin
        )
        if needs_more and changed.available(prices) < 0:
            raise InsufficientFunds("the margin that this leverage takes is not there")
        if changed.is_liquidated(symbol, prices):
            raise BadRequest("the position would be liquidated at once")
        self.margin = changed

    def set_margin_mode(self, symbol: str, mode: MarginMode) -> None:
        """Change a contract's margin mode while nothing is open in it."""
        if self.margin.position(symbol).quantity or any(
            exposure.symbol == symbol for exposure in self.margin.order_exposures.values()
        ):
            raise BadRequest("a position or an order is open")
        self.margin = self.margin.with_settings(symbol, None, mode)

    # ---- time

    def advance(self, market: Market, now_ms: int) -> Iterator[tuple[NewOrder, Decimal]]:
        """Pay the funding that fell due, and yield liquidation orders with their exit cost."""
        since_ms, self._advanced_until_ms = self._advanced_until_ms, now_ms
        prices = mark_prices(market)
        for symbol, position in list(self.margin.positions.items()):
            if position.quantity:
                self._pay_funding(market, symbol, position, now_ms)
        for symbol, position in list(self.margin.positions.items()):
            if position.quantity and self._reached_liquidation(market, symbol, since_ms, now_ms):
                side: Side = "sell" if position.quantity > 0 else "buy"
                cost = self.margin.liquidation_cost(symbol, prices)
                yield NewOrder(symbol, side, abs(position.quantity), reduce_only=True), cost

    def liquidate(self, order: Order, cost: Decimal, fill_id: str, at_ms: int) -> None:
        """Close a position by a liquidation order."""
        request = order.request
        position = self.margin.position(request.symbol)
        steps = position.apply_fill(signed_amount(request), cost, Decimal(0), _time(at_ms))
        self.margin.apply(request.symbol, steps)
        price = average_price(cost, request.amount)
        order.fills.append(Fill(fill_id, at_ms, price, request.amount, Decimal(0), "taker"))
        order.status, order.updated_ms = "closed", at_ms

    def _pay_funding(
        self, market: Market, symbol: str, position: ContractPosition, now_ms: int
    ) -> None:
        funded_at = position.funded_at or _time(now_ms)
        due = funded_at - (funded_at - _EPOCH) % FUNDING_EVERY + FUNDING_EVERY
        while due <= _time(now_ms):
            price = market.price(symbol, int(due.timestamp() * 1000))
            step = self.margin.position(symbol).apply_funding(price, FUNDING_RATE, due)
            self.margin.apply(symbol, [step])
            due += FUNDING_EVERY

    def _reached_liquidation(self, market: Market, symbol: str, since_ms: int, now_ms: int) -> bool:
        """Return whether the path reached a position's liquidation price since `since_ms`."""
        position = self.margin.position(symbol)
        end = self.margin.liquidation_price(symbol, mark_prices(market))
        if end is None or position.opened_at is None:
            return False
        start_ms = max(since_ms, int(position.opened_at.timestamp() * 1000)) + 1
        if start_ms > now_ms:
            return False
        low, high = market.extremes(symbol, start_ms, now_ms + 1)
        return low <= end if position.quantity > 0 else high >= end

    def to_json(self) -> dict[str, Any]:
        """Return the positions as JSON values."""
        holds = {
            key: [exposure.symbol, str(exposure.cost), str(exposure.fee)]
            for key, exposure in self.margin.order_exposures.items()
        }
        positions = {
            symbol: position_to_json(position) for symbol, position in self.margin.positions.items()
        }
        wallet = str(self.margin.wallet)
        return {
            "wallet": wallet,
            "stakes": positions,
            "holds": holds,
            "seen_ms": self._advanced_until_ms,
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> FuturesAccount:
        """Read what `to_json` wrote."""
        positions = {symbol: position_from_json(body) for symbol, body in row["stakes"].items()}
        margin = MarginAccount(Decimal(row["wallet"]), positions)
        margin.order_exposures = {
            key: OrderExposure(symbol, Decimal(cost), Decimal(fee))
            for key, (symbol, cost, fee) in row["holds"].items()
        }
        return cls(margin, row["seen_ms"])


def signed_amount(request: NewOrder) -> Decimal:
    """Return an order's amount, below zero for a sell."""
    return request.amount if request.side == "buy" else -request.amount


def mark_prices(market: Market) -> dict[str, Decimal]:
    """Return the mark price of each contract: its last price."""
    return {
        symbol: market.price(symbol)
        for symbol, listing in market.listings.items()
        if listing.is_contract
    }


def _fee(cost: Decimal) -> Decimal:
    return (cost * TAKER_FEE).quantize(_FEE_STEP, ROUND_HALF_UP)


def _time(at_ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=at_ms)
