"""ccxt's description of the sandbox exchange: capabilities, fees, market structures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ccxt.base.decimal_to_precision import DECIMAL_PLACES

from backend.accounting.contract_position import MAX_LEVERAGE
from backend.sandbox.market.listings import MAKER_FEE, TAKER_FEE, Listing
from backend.sandbox.market.quotes import TIME_FRAMES_MS

SANDBOX = "sandbox"
_SPOT = {"type": "spot", "spot": True, "swap": False, "contract": False}
_CONTRACT = {
    "type": "swap",
    "spot": False,
    "swap": True,
    "contract": True,
    "linear": True,
    "inverse": False,
    "contractSize": 1,
}
_PUBLIC = (
    "fetchMarkets",
    "fetchCurrencies",
    "fetchTime",
    "fetchStatus",
    "fetchTicker",
    "fetchTickers",
    "fetchOHLCV",
    "fetchTrades",
    "fetchOrderBook",
    "fetchFundingRate",
    "watchTicker",
    "watchTrades",
    "watchOHLCV",
    "watchOrderBook",
)
_PRIVATE = (
    "fetchBalance",
    "createOrder",
    "createLimitOrder",
    "createMarketOrder",
    "createStopLossOrder",
    "createTakeProfitOrder",
    "createTriggerOrder",
    "editOrder",
    "cancelOrder",
    "cancelAllOrders",
    "fetchOrder",
    "fetchOrders",
    "fetchOpenOrders",
    "fetchClosedOrders",
    "fetchCanceledOrders",
    "fetchMyTrades",
    "fetchPosition",
    "fetchPositions",
    "setLeverage",
    "setMarginMode",
)


def description(symbols: Iterable[str]) -> dict[str, Any]:
    """Return the description that `describe` merges into its base's.

    The address contains the listed symbols: OctoBot caches markets of earlier clients
    by class name and address. Precision counts decimal places, as OctoBot expects of an
    exchange without a tentacle.
    """
    address = f"sandbox://{','.join(symbols)}"
    return {
        "id": SANDBOX,
        "name": "Sandbox",
        "countries": [],
        "rateLimit": 10,
        "precisionMode": DECIMAL_PLACES,
        "has": {
            "CORS": None,
            "spot": True,
            "swap": True,
            "ws": True,
            **dict.fromkeys(_PUBLIC + _PRIVATE, True),
        },
        "timeframes": {name: name for name in TIME_FRAMES_MS},
        "urls": {"api": address, "test": address, "www": "", "doc": []},
        "requiredCredentials": {"apiKey": True, "secret": True},
        "fees": {
            "trading": {
                "tierBased": False,
                "percentage": True,
                "maker": float(MAKER_FEE),
                "taker": float(TAKER_FEE),
            }
        },
    }


def market_row(listing: Listing) -> dict[str, Any]:
    """Return one market as an argument of ccxt's `safe_market_structure`."""
    return {
        **(_CONTRACT if listing.is_contract else _SPOT),
        "id": listing.symbol.replace("/", "").replace(":", "-"),
        "symbol": listing.symbol,
        "base": listing.base,
        "quote": listing.quote,
        "baseId": listing.base,
        "quoteId": listing.quote,
        "settle": listing.quote if listing.is_contract else None,
        "settleId": listing.quote if listing.is_contract else None,
        "margin": False,
        "active": True,
        "feeSide": "quote" if listing.is_contract else "get",
        "maker": float(MAKER_FEE),
        "taker": float(TAKER_FEE),
        "precision": {"amount": listing.amount_digits, "price": listing.price_digits},
        "limits": {
            "amount": {"min": float(listing.min_amount), "max": float(listing.max_amount)},
            "price": {"min": float(listing.price_tick), "max": None},
            "cost": {"min": float(listing.min_cost), "max": None},
            "leverage": {"min": 1, "max": MAX_LEVERAGE if listing.is_contract else None},
        },
        "info": {},
    }
