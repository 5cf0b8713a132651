"""CSV export of trades (RFC 4180), with formulas escaped for spreadsheets."""

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
    "fees",
    "estimated",
)
_NUMBERS = frozenset({"price", "quantity", "cost", "fee_cost"})
_PAGE_SIZE = 100
_MAX_COUNTED = 10  # clients that do not read must not block those that do
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


class CsvExports:
    """Streams lists page by page, with pauses in favour of the bot.

    All exports together take half of the interpreter at most.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._lock = threading.Lock()
        self._running = 0

    def trades(
        self, page: Callable[[TradeQuery], SerializedResponse], query: TradeQuery
    ) -> Iterator[bytes]:
        """Return a header line and the lines of each page, from the query's cursor to the last one.

        The first page is read at once, so that its errors still become a response; the
        others on demand, off the hub.
        """
        query = query.model_copy(update={"limit": _PAGE_SIZE})
        lines, cursor, _ = self._host.call_blocking(_read_page, page, query)
        return self._stream(page, query, _csv_lines([COLUMNS]) + lines, cursor)

    def _stream(
        self,
        page: Callable[[TradeQuery], SerializedResponse],
        query: TradeQuery,
        lines: bytes,
        cursor: str | None,
    ) -> Iterator[bytes]:
        self._add_running(1)
        try:
            yield lines
            while cursor is not None:
                following = query.model_copy(update={"cursor": cursor})
                lines, cursor, cpu_s = self._host.call_blocking(_read_page, page, following)
                yield lines
                self._host.yield_for(2 * cpu_s * min(self._running, _MAX_COUNTED))
        finally:
            self._add_running(-1)

    def _add_running(self, number: int) -> None:
        with self._lock:
            self._running += number


def _read_page(
    page: Callable[[TradeQuery], SerializedResponse], query: TradeQuery
) -> tuple[bytes, str | None, float]:
    """Return the lines of a page, the cursor of the next, and the CPU time they took."""
    started = time.thread_time()
    answer = orjson.loads(page(query).body)
    lines = _csv_lines(map(_row, answer["data"]))
    return lines, answer["pagination"]["next_cursor"], time.thread_time() - started


def _csv_lines(rows: Iterable[Sequence[str | None]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _row(trade: dict[str, Any]) -> list[str | None]:
    fee = trade["fee"] or {"cost": None, "currency": None}
    fees = " ".join(f"{each['cost']} {each['currency']}" for each in trade.get("fees", ()))
    values = {
        **trade,
        "fee_cost": fee["cost"],
        "fee_currency": fee["currency"],
        "fees": fees,
        "estimated": "true" if trade.get("estimated") else "false",
    }
    return [values[name] if name in _NUMBERS else _escape_formula(values[name]) for name in COLUMNS]


def _escape_formula(value: str | None) -> str | None:
    """Return a text that no spreadsheet evaluates as a formula."""
    return "'" + value if value and value.startswith(_FORMULA) else value
