"""The list of trades as CSV (RFC 4180), safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import orjson

from backend.concurrency.host import Host
from backend.ports.serialized import SerializedResponse
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
_AT_ONCE = 100
_MOST_COUNTED = 10  # clients that do not read must not hold up those who do
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


class CsvExports:
    """Writes lists page by page, so slowly that the bot feels little of it.

    Those that are under way take half of the interpreter at most, all together.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._lock = threading.Lock()
        self._under_way = 0

    def trades(
        self, page: Callable[[TradeQuery], SerializedResponse], query: TradeQuery
    ) -> Iterator[bytes]:
        """Return a header line and the lines of each page, from the query's cursor to the last one.

        The first page is read right away, so that what it raises is still an
        answer; the others as they are asked for, off the hub.
        """
        query = query.model_copy(update={"limit": _AT_ONCE})
        lines, cursor, _ = self._host.call_blocking(_lines, page, query)
        return self._go_on(page, query, _written([COLUMNS]) + lines, cursor)

    def _go_on(
        self,
        page: Callable[[TradeQuery], SerializedResponse],
        query: TradeQuery,
        lines: bytes,
        cursor: str | None,
    ) -> Iterator[bytes]:
        self._count(1)
        try:
            yield lines
            while cursor is not None:
                following = query.model_copy(update={"cursor": cursor})
                lines, cursor, taken_s = self._host.call_blocking(_lines, page, following)
                yield lines
                self._host.rest(2 * taken_s * min(self._under_way, _MOST_COUNTED))
        finally:
            self._count(-1)

    def _count(self, more: int) -> None:
        with self._lock:
            self._under_way += more


def _lines(
    page: Callable[[TradeQuery], SerializedResponse], query: TradeQuery
) -> tuple[bytes, str | None, float]:
    """Return the lines of a page, the cursor of the next, and the processor time they took."""
    started = time.thread_time()
    answer = orjson.loads(page(query).body)
    lines = _written(map(_cells, answer["data"]))
    return lines, answer["pagination"]["next_cursor"], time.thread_time() - started


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
