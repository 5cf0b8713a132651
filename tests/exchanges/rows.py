"""Rows of the offline exchange as arguments of ccxt's `safe_order`, `safe_trade` and the like."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ccxt.base.exchange import Exchange

from tests.exchanges.positions import profit
from tests.exchanges.state import Charge, Execution, Flow, Order, Position, State

Row = dict[str, Any]


def order_row(state: State, order: Order, *, is_answer: bool = False) -> Row:
    """Return an order as the behavior tells it; `is_answer` is a command's own answer."""
    behavior = state.behavior
    executions = [each for each in state.executions if each.order_id == order.id]
    tells_average = behavior.average_told == "always" or (
        is_answer and behavior.average_told == "in_answers"
    )
    tells_filled = behavior.filled_told or order.status != "open"
    trigger = _text(order.trigger)
    is_stop = order.trigger_kind == "stop_loss"
    row = {
        "id": order.id,
        "clientOrderId": told_client_id(state, order.client_id),
        "timestamp": order.created_ms,
        "datetime": Exchange.iso8601(order.created_ms),
        "lastTradeTimestamp": executions[-1].time_ms if executions else None,
        "lastUpdateTimestamp": order.updated_ms,
        "symbol": order.symbol,
        "type": _type(state, order),
        "timeInForce": order.time_in_force,
        "postOnly": order.post_only,
        "reduceOnly": order.reduce_only,
        "side": order.side,
        "price": _text(_price(state, order)),
        "triggerPrice": trigger,
        "stopLossPrice": trigger if is_stop else None,
        "takeProfitPrice": trigger if trigger and not is_stop else None,
        "amount": str(order.amount),
        "filled": str(order.filled) if tells_filled else None,
        "remaining": str(order.amount - order.filled) if tells_filled else None,
        "cost": str(order.cost) if tells_average and tells_filled else None,
        "average": _text(_average(state, order)) if tells_average else None,
        "status": behavior.told_statuses.get(order.status, order.status),
        "trades": [trade_row(state, each) for each in executions]
        if behavior.trades_in_orders
        else [],
        "info": {"orderId": order.id, "state": order.status},
    }
    if behavior.fees_in_orders and executions:
        row |= _fees([fee for each in executions for fee in each.fees])
    return row


def trade_row(state: State, execution: Execution) -> Row:
    """Return an execution as the behavior tells it."""
    behavior, order = state.behavior, state.orders[execution.order_id]
    row = {
        "id": execution.id,
        "order": execution.order_id,
        "timestamp": execution.time_ms,
        "datetime": Exchange.iso8601(execution.time_ms),
        "symbol": execution.symbol,
        "type": order.type,
        "side": execution.side,
        "takerOrMaker": execution.liquidity,
        "price": str(execution.price),
        "amount": str(execution.amount),
        "cost": str(execution.cost),
        "info": {"tradeId": execution.id},
    }
    if behavior.client_ids_in_trades:
        row["clientOrderId"] = told_client_id(state, order.client_id)
    return row | _fees(execution.fees if behavior.fees_in_trades else [])


def position_row(state: State, key: str, position: Position) -> Row:
    """Return a position as the behavior tells it."""
    symbol, _, side = key.partition(" ")
    listing, mark, held = state.listings[symbol], state.prices[symbol], position.contracts
    hidden = state.behavior.null_position_rows
    value = listing.cost(abs(held), mark)
    return {
        "id": key,
        "symbol": symbol,
        "timestamp": None,
        "datetime": None,
        "hedged": state.behavior.hedged,
        "side": side or ("short" if held < 0 else "long"),
        "contracts": None if hidden else float(abs(held)),
        "contractSize": None if hidden else float(listing.size),
        "entryPrice": None if hidden else float(position.entry_price),
        "markPrice": float(mark),
        "notional": float(value),
        "leverage": float(position.leverage),
        "collateral": float(value / position.leverage),
        "initialMargin": float(value / position.leverage),
        "unrealizedPnl": float(profit(listing, held, position.entry_price, mark)),
        "realizedPnl": float(position.realized),
        "liquidationPrice": None,
        "marginMode": position.margin_mode,
        "info": {"symbol": symbol},
    }


def flow_row(flow: Flow) -> Row:
    """Return a deposit or withdrawal in ccxt's form of transactions."""
    return {
        "id": flow.id,
        "txid": None,
        "type": flow.kind,
        "currency": flow.asset,
        "amount": float(abs(flow.amount)),
        "status": "ok",
        "timestamp": flow.time_ms,
        "datetime": Exchange.iso8601(flow.time_ms),
        "fee": None,
        "info": {"id": flow.id},
    }


def ledger_row(flow: Flow) -> Row:
    """Return a flow in ccxt's form of ledger entries."""
    types = {"deposit": "transaction", "withdrawal": "transaction", "funding": "fee"}
    return {
        "id": flow.id,
        "type": types.get(flow.kind, flow.kind),
        "direction": "in" if flow.amount > 0 else "out",
        "currency": flow.asset,
        "amount": float(abs(flow.amount)),
        "status": "ok",
        "timestamp": flow.time_ms,
        "datetime": Exchange.iso8601(flow.time_ms),
        "info": {"kind": flow.kind},
    }


def told_client_id(state: State, client_id: str | None) -> str | None:
    """Return a client order id as the exchange tells it."""
    if state.behavior.client_ids == "zero":
        return "0"
    if client_id is None or state.behavior.client_ids == "lost":
        return None
    return f"x-{client_id}" if state.behavior.client_ids == "prefixed" else client_id


def _type(state: State, order: Order) -> str:
    if order.trigger_kind is None or state.behavior.trigger_types == "plain":
        return order.type
    return order.trigger_kind if order.type == "market" else f"{order.trigger_kind}_limit"


def _price(state: State, order: Order) -> Decimal | None:
    limit = state.behavior.slippage_limit
    if order.price is not None or limit is None:
        return order.price
    return state.prices[order.symbol] * (1 + (limit if order.side == "buy" else -limit))


def _average(state: State, order: Order) -> Decimal | None:
    if not order.filled:
        return None
    listing = state.listings[order.symbol]
    if listing.inverse:
        return order.filled * listing.size / order.cost
    return order.cost / (order.filled * listing.size)


def _fees(charges: list[Charge]) -> Row:
    """Return `fee`, or `fees` where there are several currencies, as ccxt's parsers make them."""
    sums: dict[str, Decimal] = {}
    for charge in charges:
        sums[charge.currency] = sums.get(charge.currency, Decimal(0)) + charge.cost
    rows = [{"cost": str(cost), "currency": currency} for currency, cost in sums.items()]
    if not rows:
        return {"fee": {"cost": None, "currency": None}, "fees": []}
    return {"fee": rows[0]} if len(rows) == 1 else {"fees": rows}


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)
