"""Order types and changes that an exchange can do, as ccxt describes it."""

from __future__ import annotations

from typing import Any

from backend.errors import OrderTypeNotSupported

EDITS_IN_PLACE = frozenset(
    {
        *("binancecoinm", "binanceusdm", "bitmex", "bybit", "coinbase", "coinbaseadvanced"),
        *("deribit", "gate", "gateio", "kraken", "myokx", "okx", "okxus", "sandbox"),
    }
)
"""Exchanges whose edit keeps what an order has executed: its amount is the new total.

Others cancel and create, Binance's spot market and Bitget too, though ccxt has an `editOrder`
for them: the new order's amount comes on top of what was executed.
"""

_SLIPPAGE_FROM_PRICE = frozenset({"hyperliquid"})
"""Exchanges without market orders: ccxt sends limits that are so far from the price."""

STOP_PARAMETERS = {
    "stop_loss": "stopLossPrice",
    "stop_limit": "stopLossPrice",
    "take_profit": "takeProfitPrice",
    "take_profit_limit": "takeProfitPrice",
}


class OrderAbilities:
    """Order types that one exchange takes."""

    __slots__ = ("_manager",)

    def __init__(self, manager: Any) -> None:
        self._manager = manager

    def check(self, symbol: str, kind: str) -> None:
        """Raise `OrderTypeNotSupported` for an order that ccxt would send as another one."""
        client, name = self._manager.exchange.connector.client, self._manager.exchange_name
        if not takes_orders(client, symbol):
            raise OrderTypeNotSupported(f"symbol: {name} takes no orders in {symbol}")
        parameter = STOP_PARAMETERS.get(kind)
        if parameter is not None and not takes_parameter(client, symbol, parameter):
            raise OrderTypeNotSupported(f"type: {name} takes no {kind} orders in {symbol}")


def takes_orders(client: Any, symbol: str) -> bool:
    """Return whether ccxt can place orders in a symbol's market."""
    if (client.options.get("unavailableContracts") or {}).get(symbol):
        return False  # MEXC takes orders in some contracts only
    return not _is_described(client) or _feature(client, symbol, None) is not None


def takes_parameter(client: Any, symbol: str, parameter: str) -> bool:
    """Return whether ccxt can send a parameter with an order; True where it does not say.

    ccxt sends an order without a parameter that it does not know: a stop becomes a market order.
    """
    return not _is_described(client) or _feature(client, symbol, parameter) is not False


def price_to_send(
    client: Any, symbol: str, kind: str, side: str, price: float | None
) -> float | None:
    """Return the price that ccxt needs with an order: none with a market order, if possible.

    OctoBot gives every market order the last price, with which Binance, Bybit, BingX and
    Phemex trade the amount's cost at that price instead of the amount.
    """
    if kind != "market" or not _is_described(client):
        return price
    needs_price = side == "buy" and _feature(client, symbol, "marketBuyRequiresPrice")
    return price if needs_price or client.id in _SLIPPAGE_FROM_PRICE else None


def _is_described(client: Any) -> bool:
    return any((client.features or {}).values())


def _feature(client: Any, symbol: str, parameter: str | None) -> Any:
    return client.feature_value(symbol, "createOrder", parameter, None)
