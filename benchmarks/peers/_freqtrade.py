"""Server process of freqtrade without a network, with a local exchange and generated trades.

Runs in freqtrade's own environment, with a folder, a port, and numbers of open and closed trades.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import ccxt
import ccxt.async_support
import ccxt.pro

NAME = "binance"
PAIRS = [f"{base}/USDT" for base in ("BTC", "ETH", "SOL", "XRP", "ADA")]
PRICE = 100.0
USER = PASSWORD = "bench"
STRATEGY = """
from freqtrade.strategy import IStrategy


class Nothing(IStrategy):
    INTERFACE_VERSION = 3
    timeframe = "5m"
    stoploss = -0.99
    minimal_roi = {"0": 100}

    def populate_indicators(self, dataframe, metadata):
        return dataframe

    def populate_entry_trend(self, dataframe, metadata):
        return dataframe

    def populate_exit_trend(self, dataframe, metadata):
        return dataframe
"""


def market(pair: str) -> dict[str, Any]:
    """Return a market in ccxt's format."""
    base, quote = pair.split("/")
    limits = {"min": 0.0001, "max": 1e9}
    return {
        **{"id": pair.replace("/", ""), "symbol": pair, "base": base, "quote": quote},
        **{"baseId": base, "quoteId": quote, "active": True, "type": "spot", "spot": True},
        **{"margin": False, "swap": False, "future": False, "option": False, "contract": False},
        **{"taker": 0.001, "maker": 0.001, "percentage": True, "tierBased": False, "info": {}},
        "precision": {"amount": 0.0001, "price": 0.01},
        "limits": {"amount": limits, "price": limits, "cost": limits, "leverage": {}},
    }


def ticker(pair: str) -> dict[str, Any]:
    """Return a ticker in ccxt's format."""
    prices = dict.fromkeys(("last", "close", "bid", "ask", "open", "high", "low"), PRICE)
    now_ms = int(time.time() * 1000)
    volumes = {"baseVolume": 1000.0, "quoteVolume": 100_000.0, "percentage": 0.0}
    return {"symbol": pair, "timestamp": now_ms, "info": {}, **prices, **volumes}


def candles() -> list[list[float]]:
    """Return candles of five minutes."""
    newest = int(time.time()) // 300 * 300
    starts = range(newest - 300 * 500, newest + 1, 300)
    return [[at * 1000, PRICE, PRICE, PRICE, PRICE, 10.0] for at in starts]


ANSWERS: dict[str, Any] = {
    "fetch_markets": lambda *_a, **_k: [market(pair) for pair in PAIRS],
    "fetch_currencies": lambda *_a, **_k: {},
    "fetch_ticker": lambda pair, *_a, **_k: ticker(pair),
    "fetch_tickers": lambda *_a, **_k: {pair: ticker(pair) for pair in PAIRS},
    "fetch_ohlcv": lambda *_a, **_k: candles(),
    "fetch_time": lambda *_a, **_k: int(time.time() * 1000),
    "fetch_order_book": lambda *_a, **_k: {"bids": [[PRICE, 9.0]], "asks": [[PRICE, 9.0]]},
    "fetch_l2_order_book": lambda *_a, **_k: {"bids": [[PRICE, 9.0]], "asks": [[PRICE, 9.0]]},
}


def shut_the_exchange() -> None:
    """Replace the network calls of the exchange's classes by local data."""

    def waiting(answer: Callable[..., object]) -> Callable[..., object]:
        async def answer_later(_self: object, *args: object, **kwargs: object) -> object:
            return answer(*args, **kwargs)

        return answer_later

    for name, answer in ANSWERS.items():
        setattr(ccxt.binance, name, lambda _self, *a, answer=answer, **k: answer(*a, **k))
        for module in (ccxt.async_support, ccxt.pro):
            setattr(module.binance, name, waiting(answer))


def write_config(folder: Path, port: int) -> Path:
    """Write freqtrade's configuration."""
    (folder / "strategies").mkdir(parents=True, exist_ok=True)
    (folder / "strategies" / "nothing.py").write_text(STRATEGY)
    pricing = {"price_side": "same", "use_order_book": False}
    config = {
        **{"dry_run": True, "dry_run_wallet": 1_000_000, "stake_currency": "USDT"},
        **{"stake_amount": 100, "max_open_trades": 100, "strategy": "Nothing"},
        "exchange": {
            **{"name": NAME, "key": "", "secret": "", "enable_ws": False},
            **{"pair_whitelist": PAIRS, "pair_blacklist": []},
        },
        **{"entry_pricing": pricing, "exit_pricing": pricing},
        "pairlists": [{"method": "StaticPairList"}],
        "db_url": f"sqlite:///{folder}/trades.sqlite",
        "api_server": {
            **{"enabled": True, "listen_ip_address": "127.0.0.1", "listen_port": port},
            **{"username": USER, "password": PASSWORD, "jwt_secret_key": "x" * 32},
            **{"CORS_origins": [], "verbosity": "error"},
        },
        **{"bot_name": "bench", "initial_state": "running", "user_data_dir": str(folder)},
    }
    path = folder / "config.json"
    path.write_text(json.dumps(config))
    return path


def write_trades(folder: Path, open_count: int, closed_count: int) -> None:
    """Write trades into freqtrade's database."""
    from freqtrade.persistence import Order, Trade, init_db

    init_db(f"sqlite:///{folder}/trades.sqlite")
    now = datetime.now(timezone.utc)
    for number in range(open_count + closed_count):
        at = now - timedelta(minutes=number + 10)
        is_open = number < open_count
        trade = Trade(
            **{"pair": PAIRS[number % len(PAIRS)], "exchange": NAME, "strategy": "Nothing"},
            **{"stake_amount": 100.0, "amount": 1.0, "amount_requested": 1.0, "leverage": 1.0},
            **{"open_rate": PRICE, "open_date": at, "is_open": is_open, "timeframe": 5},
            **{"fee_open": 0.001, "fee_close": 0.001, "open_trade_value": 100.1},
            **{"base_currency": "USDT", "stake_currency": "USDT", "max_rate": PRICE},
            **({} if is_open else {"close_rate": PRICE, "close_date": at, "close_profit": 0.0}),
        )
        for side in ("buy",) if is_open else ("buy", "sell"):
            trade.orders.append(
                Order(
                    **{"ft_order_side": side, "ft_pair": trade.pair, "ft_is_open": False},
                    **{"ft_amount": 1.0, "ft_price": PRICE, "order_id": f"{number}{side}"},
                    **{"status": "closed", "symbol": trade.pair, "order_type": "limit"},
                    **{"side": side, "price": PRICE, "average": PRICE, "amount": 1.0},
                    **{"filled": 1.0, "remaining": 0.0, "cost": 100.0},
                    **{"order_date": at, "order_filled_date": at, "order_update_date": at},
                )
            )
        Trade.session.add(trade)
    Trade.commit()


def main(folder: Path, port: int, open_count: int, closed_count: int) -> None:
    """Run until killed."""
    shut_the_exchange()
    config = write_config(folder, port)
    write_trades(folder, open_count, closed_count)
    from freqtrade.main import main as freqtrade

    freqtrade(["trade", "--config", str(config), "--userdir", str(folder)])


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:5]))
