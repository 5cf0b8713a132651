"""Errors of orders, positions, trading rules and risk limits."""

from __future__ import annotations

from backend.errors.base import BridgeError


class OrderNotFound(BridgeError):
    """No order has the requested id."""

    status = 404
    type = "order_not_found"


class TradeNotFound(BridgeError):
    """No trade has the requested id."""

    status = 404
    type = "trade_not_found"


class PositionNotOpen(BridgeError):
    """No position is open in the contract."""

    status = 409
    type = "position_not_open"


class PositionClosing(BridgeError):
    """Orders that close the position are being placed or open already."""

    status = 409
    type = "position_closing"


class PositionOpen(BridgeError):
    """The setting cannot be changed while a position or an order is open in the contract."""

    status = 409
    type = "position_open"


class SpotExchange(BridgeError):
    """The exchange is used for spot trading: there are no positions."""

    status = 409
    type = "exchange_type_is_spot"


class OrderNotOpen(BridgeError):
    """The order has ended: it can no longer be changed or canceled."""

    status = 409
    type = "order_not_open"


class OrderPartlyFilled(BridgeError):
    """A part of the order has filled, and its exchange can only cancel it and create another."""

    status = 409
    type = "order_partly_filled"


class DuplicateOrder(BridgeError):
    """The client order id is taken by an order with other parameters."""

    status = 409
    type = "duplicate_order"


class OrderRefused(BridgeError):
    """The order is well-formed and was refused; subclasses name the rule."""

    status = 422
    type = "order_refused"


class InsufficientFunds(OrderRefused):
    """The available balance does not cover the order."""

    type = "insufficient_funds"


class QuantityBelowMinimum(OrderRefused):
    """The quantity is below the exchange's minimum for the symbol."""

    type = "quantity_below_minimum"


class QuantityAboveMaximum(OrderRefused):
    """The quantity is above the exchange's maximum for the symbol."""

    type = "quantity_above_maximum"


class CostBelowMinimum(OrderRefused):
    """Price times quantity is below the exchange's minimum for the symbol."""

    type = "cost_below_minimum"


class CostAboveMaximum(OrderRefused):
    """Price times quantity is above the exchange's maximum for the symbol."""

    type = "cost_above_maximum"


class PriceOffTick(OrderRefused):
    """The price is not a multiple of the symbol's price step."""

    type = "price_off_tick"


class QuantityOffStep(OrderRefused):
    """The quantity is not a multiple of the symbol's quantity step."""

    type = "quantity_off_step"


class PriceOutOfRange(OrderRefused):
    """The price is outside the exchange's limits for the symbol."""

    type = "price_out_of_range"


class StopPriceReached(OrderRefused):
    """The stop price would trigger at once at the present price."""

    type = "stop_price_reached"


class ExitOnWrongSide(OrderRefused):
    """A take profit or stop loss is on the wrong side of the price."""

    type = "exit_on_wrong_side"


class PriceWouldTakeAtOnce(OrderRefused):
    """The price would fill at once, and the order is amended or post-only: it must not take."""

    type = "price_would_take_at_once"


class NoLiquidity(OrderRefused):
    """The order book has nothing, or not enough, for a paper order."""

    type = "no_liquidity"


class OrderOptionNotSupported(OrderRefused):
    """The exchange does not take this option of an order."""

    type = "order_option_not_supported"


class ValidUntilPassed(OrderRefused):
    """The time at which the order is to end has passed."""

    type = "valid_until_passed"


class OrderTypeNotSupported(OrderRefused):
    """The exchange takes no such orders in this market."""

    type = "order_type_not_supported"


class ReduceOnlyNotSupported(OrderRefused):
    """Reduce-only orders exist on futures exchanges only."""

    type = "reduce_only_not_supported"


class ReduceOnlyWouldOpen(OrderRefused):
    """A reduce-only order finds no position to reduce."""

    type = "reduce_only_would_open"


class PositionExceeded(OrderRefused):
    """The quantity is larger than the position to close."""

    type = "position_exceeded"


class LeverageOutOfRange(OrderRefused):
    """The exchange does not allow this leverage for the contract."""

    type = "leverage_out_of_range"


class WouldBeLiquidated(OrderRefused):
    """With the change the position would be liquidated at the present price."""

    type = "would_be_liquidated"


class RiskMaxOrderValue(OrderRefused):
    """The order's value exceeds the risk limit."""

    type = "risk_max_order_value"


class RiskMaxOpenOrders(OrderRefused):
    """The order would exceed the risk limit of open orders."""

    type = "risk_max_open_orders"


class RiskSymbols(OrderRefused):
    """The risk limit does not allow this symbol."""

    type = "risk_symbols"


class RiskMaxDailyLoss(OrderRefused):
    """The daily loss has reached the risk limit: no trading until resumed or midnight UTC."""

    type = "risk_max_daily_loss"
