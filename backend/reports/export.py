"""The list of trades as CSV (RFC 4180), safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import orjson

from backend.concurrency import Host
from backend.schemas.common import MAX_PAGE
from backend.schemas.prepared import Prepared
from backend.schemas.trades import TradeQuery

COLUMNS = (
    "id",
    "order_id",
    "client_order_id",
    "exchange",
    "symbol",
    "side",
    "price",
    "quantity",
    "cost",
    "fee_cost",
    "fee_currency",
    "liquidity",
    "executed_at",
)
_NUMBERS = frozenset({"price", "quantity", "cost", "fee_cost"})
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def trades_csv(
    page: Callable[[TradeQuery], Prepared], query: TradeQuery, host: Host
) -> Iterator[bytes]:
    """Return a header line and the lines of each page, from the query's cursor to the last one.

    The first page is read right away, so that what it raises is still an
    answer; the others as they are asked for, off the hub.
    """
    query = query.model_copy(update={"limit": MAX_PAGE})
    first, cursor = host.call_blocking(_lines, page, query)

    def chunks(lines: bytes, cursor: str | None) -> Iterator[bytes]:
        yield lines
        while cursor is not None:
            following = query.model_copy(update={"cursor": cursor})
            lines, cursor = host.call_blocking(_lines, page, following)
            yield lines

    return chunks(_written([COLUMNS]) + first, cursor)


def _lines(page: Callable[[TradeQuery], Prepared], query: TradeQuery) -> tuple[bytes, str | None]:
    answer = orjson.loads(page(query).body)
    return _written(map(_cells, answer["data"])), answer["pagination"]["next_cursor"]


def _written(rows: Iterable[Sequence[str | None]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _cells(trade: dict[str, Any]) -> list[str | None]:
    fee = trade["fee"] or {"cost": None, "currency": None}
    values = {**trade, "fee_cost": fee["cost"], "fee_currency": fee["currency"]}
    return [values[name] if name in _NUMBERS else _text(values[name]) for name in COLUMNS]


def _text(value: str | None) -> str | None:
    """Return a text that no spreadsheet takes for a formula."""
    return "'" + value if value and value.startswith(_FORMULA) else value
