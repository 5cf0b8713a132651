"""Write the table of docs/exchanges.md from ccxt's description of each exchange and from ours.

.venv/bin/python scripts/exchange_table.py          # writes the table
.venv/bin/python scripts/exchange_table.py --print
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ccxt
import ccxt.pro

from backend.bridge.octobot.client_order_ids import ClientIdForm, form_of
from backend.bridge.octobot.order_abilities import EDITS_IN_PLACE

EXCHANGES = (
    *("binance", "okx", "bybit", "kraken", "kucoin", "gate", "bitget", "coinbase", "bingx"),
    *("htx", "mexc", "hyperliquid", "bitfinex", "phemex", "cryptocom"),
)
DOCUMENT = Path(__file__).parent.parent / "docs" / "exchanges.md"
BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->"
_HEAD = (
    *("exchange", "spot: stop, take profit", "contracts: stop, take profit", "time in force"),
    *("change of an order", "client order id", "its orders, trades, deposits are listed"),
    "websockets",
)


def table() -> str:
    """Return the table in Markdown."""
    rows = [_row(name) for name in EXCHANGES]
    return "\n".join(_line(cells) for cells in (_HEAD, ["---"] * len(_HEAD), *rows)) + "\n"


def _row(name: str) -> list[str]:
    client = getattr(ccxt, name)()
    spot = (client.features.get("spot") or {}).get("createOrder")
    swap = ((client.features.get("swap") or {}).get("linear") or {}).get("createOrder")
    return [
        f"{client.name} (`{name}`)",
        _stops(spot),
        _stops(swap),
        _times(spot or swap or {}),
        "in place" if name in EDITS_IN_PLACE else "canceled and created",
        _client_id(name, has_contracts=swap is not None),
        _lists(client.has),
        "yes" if name in ccxt.pro.exchanges else "no",
    ]


def _stops(features: Mapping[str, Any] | None) -> str:
    if features is None:
        return "no orders"
    named = {"stopLossPrice": "stop", "takeProfitPrice": "take profit"}
    found = [title for key, title in named.items() if features.get(key)]
    return ", ".join(found) or "by the bot"


def _times(features: Mapping[str, Any]) -> str:
    titles = {"GTC": "GTC", "IOC": "IOC", "FOK": "FOK", "PO": "post-only"}
    offered = features.get("timeInForce") or {}
    return ", ".join(title for key, title in titles.items() if offered.get(key))


def _client_id(name: str, *, has_contracts: bool) -> str:
    spot, contracts = form_of(name), form_of(name, is_futures=True)
    if not has_contracts or spot == contracts:
        return _form_text(spot)
    return f"{_form_text(spot)}; contracts: {_form_text(contracts)}"


def _form_text(form: ClientIdForm) -> str:
    texts = {
        "uuid": "UUID",
        "hex": "32 letters and digits",
        "0x hex": "0x and 32 digits",
        "t- text": "t- and 26 letters and digits",
        "number": f"number of {form.bits} bits",
        "none": "none",
    }
    return texts[form.name]


def _lists(has: Mapping[str, Any]) -> str:
    titles = {
        "open orders": ("fetchOpenOrders",),
        "ended orders": ("fetchClosedOrders", "fetchOrders"),
        "trades": ("fetchMyTrades",),
        "deposits": ("fetchDeposits", "fetchDepositsWithdrawals", "fetchTransactions"),
    }
    found = [title for title, keys in titles.items() if any(has.get(key) for key in keys)]
    return "all" if len(found) == len(titles) else ", ".join(found)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def written() -> str:
    """Return the table that the document has."""
    return DOCUMENT.read_text().partition(BEGIN)[2].partition(END)[0]


def main() -> None:
    """Write the table into the document, or print it."""
    if "--print" in sys.argv:
        print(table())
        return
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    DOCUMENT.write_text(before + BEGIN + table() + END + rest.partition(END)[2])


if __name__ == "__main__":
    main()
