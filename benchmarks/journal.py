"""Benchmark of the order journal on SQLite: commit times of orders, reads of a long history.

    python -m benchmarks.journal

The baseline is the time of SQLite itself to insert and commit one row of the same
size, in the same file format, without any of our code.
"""

from __future__ import annotations

import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from backend.concurrency.host import ThreadHost
from backend.ports.journal import Batch, Intent, JournalEvent, StoredOrder, StoredTrade
from backend.ports.order_tracking import OrderTracking
from backend.schemas.common import utc_now
from backend.schemas.orders import Fee, Order
from backend.schemas.trades import Trade
from backend.settings.loading import load_settings
from backend.store import Database, Journal, audit
from backend.store.audit import NewEntry
from benchmarks.harness import Table, main, percentile

ROUNDS = 500
HISTORY = 20_000
ACCOUNT = "sandbox:paper"
SYMBOLS = ("BTC/USDT", "ETH/USDT")
ASKED = {"symbol": "BTC/USDT", "side": "buy", "type": "limit", "quantity": "0.001"}
CHANGES = {"BTC": Decimal("0.001"), "USDT": Decimal("-60.06025025")}
NOW = utc_now()
ORDER = Order(
    id="",
    client_order_id=None,
    exchange="sandbox",
    symbol="BTC/USDT",
    side="buy",
    type="limit",
    status="open",
    quantity=Decimal("0.001"),
    filled=Decimal(0),
    remaining=Decimal("0.001"),
    price=Decimal("60000.25"),
    stop_price=None,
    average_price=None,
    cost=Decimal(0),
    fee=None,
    reduce_only=False,
    tag=None,
    created_at=NOW,
    updated_at=NOW,
)
TRADE = Trade(
    id="",
    order_id="",
    client_order_id=None,
    exchange="sandbox",
    symbol="BTC/USDT",
    side="buy",
    price=Decimal("60000.25"),
    quantity=Decimal("0.001"),
    cost=Decimal("60.00025"),
    fee=Fee(cost=Decimal("0.06000025"), currency="USDT"),
    liquidity="taker",
    executed_at=NOW,
)


Step = Callable[[int], Callable[[], object]]
"""Prepares the action that is then timed, for the order of a number."""


def measure() -> Iterator[Table]:
    """Yield a table of writes and one of reads."""
    with new_database() as database, closing(Journal(database)) as journal:
        journal.open_account(ACCOUNT, {"USDT": Decimal(10000)})
        yield writes(database, journal)
        yield reads(journal)


@contextmanager
def new_database() -> Iterator[Database]:
    """Open a new database in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="journal-") as folder:
        settings = load_settings(home=Path(folder), database_url=None)
        with closing(Database(settings, ThreadHost())) as database:
            database.upgrade()
            yield database


def writes(database: Database, journal: Journal) -> Table:
    """Time the commits of one order after another."""
    table = Table("One order after another", baseline="bare SQLite", ratio_of="p50_ms")
    steps: dict[str, Step] = {
        "intend": lambda number: partial(journal.insert_intents, intent(number)),
        "record a new order": lambda number: partial(journal.record, created(number)),
        "record its fill": lambda number: partial(journal.record, filled(number)),
    }
    bare = bare_insert(Path(str(database.engine.url.database)).with_name("bare.db"))
    add_times(table, "", {"bare SQLite": bare, **steps}, first=0)
    with audit_writer(database):
        add_times(table, " beside the audit", steps, first=ROUNDS)
    return table


def add_times(table: Table, suffix: str, steps: Mapping[str, Step], first: int) -> None:
    """Run the steps in turn for each order, so that all run under the same conditions."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(first, first + ROUNDS):
        for name, step in steps.items():
            times[name].append(timed(step(number)))
    for name, taken in times.items():
        p50_ms, p99_ms = percentile(taken, 50), percentile(taken, 99)
        table.add(name + suffix, p50_ms=p50_ms, p99_ms=p99_ms, largest_ms=max(taken))


def reads(journal: Journal) -> Table:
    """Time the same queries with a short history and with a long one."""
    table = Table("Reads, by orders and trades kept")
    for count in (2 * ROUNDS, HISTORY):
        fill(journal, count)
        for name, ask in questions().items():
            taken = [timed(partial(ask, journal, count // 2 + turn)) for turn in range(50)]
            table.add(f"{name}, {count:,}", p50_ms=percentile(taken, 50), largest_ms=max(taken))
    return table


def questions() -> dict[str, Callable[[Journal, int], object]]:
    """Return the queries: each takes a place in the list."""
    now = utc_now()
    orders: dict[str, Any] = {"symbol": None, "side": None, "status": "all"}
    trades: dict[str, Any] = {"symbol": None, "since": None, "until": None}
    return {
        "find_order": lambda journal, n: journal.find_order(order_id=f"o{n}"),
        "find_order by client id": lambda journal, n: journal.find_order(client_order_id=f"c{n}"),
        "100 orders": lambda journal, n: journal.orders_before(n, 100, **orders),
        "100 trades": lambda journal, n: journal.trades_before(n, 100, **trades),
        "100 trades of a symbol": lambda journal, n: journal.trades_before(
            n, 100, **{**trades, "symbol": SYMBOLS[1]}
        ),
        "trades of an hour without any": lambda journal, n: journal.trades_before(
            n, 100, **{**trades, "since": now, "until": now + timedelta(hours=1)}
        ),
    }


def timed(act: Callable[[], object]) -> float:
    """Return how many milliseconds a call takes."""
    start = time.perf_counter_ns()
    act()
    return (time.perf_counter_ns() - start) / 1e6


def bare_insert(path: Path) -> Step:
    """Return the least possible cost of storing one row."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("CREATE TABLE kept (id TEXT PRIMARY KEY, body TEXT)")
    body = ORDER.model_dump_json()

    def insert(number: int) -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO kept VALUES (?, ?)", (f"o{number}", body))
        connection.execute("COMMIT")

    return lambda number: partial(insert, number)


@contextmanager
def audit_writer(database: Database) -> Iterator[None]:
    """Write an audit entry 100 times a second on another thread, as requests do."""
    over = threading.Event()
    entry = NewEntry(NOW, "orders", "u", "bob", "::1", "POST", "/orders", 201, "ok", "r")

    def write() -> None:
        while not over.wait(0.01):
            with database.transaction() as session:
                audit.append(session, [entry])

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def fill(journal: Journal, count: int) -> None:
    """Record orders and trades up to a count."""
    first = journal.newest_orders(1)[0].place + 1
    for start in range(first, count, 500):
        numbers = range(start, min(start + 500, count))
        journal.record(
            Batch(orders=[order(number) for number in numbers], trades=[*map(trade, numbers)])
        )


def intent(number: int) -> Intent:
    """Return a request's intent."""
    keys = (f"header:{number}", f"client:c{number}")
    return Intent(f"o{number}", "u", keys, "f" * 64, ASKED, ACCOUNT, utc_now())


def created(number: int) -> Batch:
    """Return the batch of an order's creation."""
    return Batch(
        orders=[order(number)], accepted=[f"o{number}"], events=[event(number, "order_created")]
    )


def filled(number: int) -> Batch:
    """Return the batch of an order's fill."""
    events = [event(number, "order_filled"), event(number, "trade")]
    return Batch(orders=[order(number, "filled")], trades=[trade(number)], events=events)


def order(number: int, status: str = "open") -> StoredOrder:
    """Return the order of a number."""
    fields = {"id": f"o{number}", "client_order_id": f"c{number}", "status": status}
    symbol = SYMBOLS[number % len(SYMBOLS)]
    stored = ORDER.model_copy(update={**fields, "symbol": symbol})
    return StoredOrder(number, ACCOUNT, stored, OrderTracking(exchange_id=f"x{number}"))


def trade(number: int) -> StoredTrade:
    """Return the trade of an order."""
    symbol = SYMBOLS[number % len(SYMBOLS)]
    fields = {"id": f"t{number}", "order_id": f"o{number}", "symbol": symbol}
    return StoredTrade(number, ACCOUNT, TRADE.model_copy(update=fields), CHANGES)


def event(number: int, name: str) -> JournalEvent:
    """Return an event of the usual size."""
    data = b'{"order":%b}' % ORDER.model_dump_json().encode()
    return JournalEvent("orders", name, f"o{number}", "BTC/USDT", data, False)


if __name__ == "__main__":
    main("journal", measure)
