"""Lists page by place, filters hold, and no query scans a whole table."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import event, text

from backend.concurrency.host import ThreadHost
from backend.ports.journal import Batch
from backend.store import Database, Journal
from tests.databases import make_settings
from tests.store.journal import samples
from tests.store.journal.samples import NOW, intent, order, trade

DOUBLINGS = 15
MANY = 2**DOUBLINGS
DOUBLE = [
    "INSERT INTO order_intents SELECT 'o' || (CAST(substr(order_id, 2) AS INTEGER) + {n}),"
    " user_id, keys, fingerprint, asked, account, created_at, state, answer FROM order_intents",
    "INSERT INTO orders SELECT 'o' || (place + {n}), place + {n}, account, 'c' || (place + {n}),"
    " CASE (place + {n}) % 2 WHEN 0 THEN 'BTC/USDT' ELSE 'ETH/USDT' END, side, is_open, body,"
    " rebuild FROM orders",
    "INSERT INTO trades SELECT 't' || (place + {n}), place + {n}, account,"
    " CASE (place + {n}) % 2 WHEN 0 THEN 'BTC/USDT' ELSE 'ETH/USDT' END, {later}, body, changes"
    " FROM trades",
    "INSERT INTO journal_events (recorded_at, topic, name, key, symbol, data, ends)"
    " SELECT recorded_at, CASE sequence % 2 WHEN 0 THEN 'orders' ELSE 'trades' END, name, key,"
    " symbol, data, ends FROM journal_events",
]
LATER = {
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f000', executed_at, '+{n} seconds')",
    "postgresql": "executed_at + interval '{n} seconds'",
}
ANALYZE = {"sqlite": "SELECT 1", "postgresql": "ANALYZE"}
SECOND = timedelta(seconds=1)
QUESTIONS: list[Callable[[Journal], object]] = [
    lambda journal: journal.find_order(order_id="o5"),
    lambda journal: journal.find_order(client_order_id="c5"),
    lambda journal: journal.find_trade("t5"),
    lambda journal: journal.newest_orders(100),
    lambda journal: journal.newest_trades(100),
    lambda journal: journal.executions_between(MANY // 4, MANY // 2, 100),
    lambda journal: journal.events_after(MANY // 2, ["orders"], 100),
    lambda journal: journal.events_after(MANY // 2, ["orders", "trades", "positions"], 100),
    lambda journal: journal.last_event_sequence(),
    lambda journal: journal.open_intents(samples.ACCOUNT),
    *(
        lambda journal, symbol=symbol, side=side, status=status: journal.orders_before(
            MANY // 2, 100, symbol=symbol, side=side, status=status
        )
        for symbol in (None, "BTC/USDT", "none")
        for side in (None, "buy")
        for status in ("all", "open", "closed")
    ),
    *(
        lambda journal, symbol=symbol, since=since, until=until: journal.trades_before(
            MANY // 2, 100, symbol=symbol, since=since, until=until
        )
        for symbol in (None, "BTC/USDT", "none")
        for since in (None, NOW)
        for until in (None, NOW + SECOND)
    ),
]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def filled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """A database with many orders, trades and events."""
    overrides = {}
    if request.param == "postgresql":
        overrides["database_url"] = request.getfixturevalue("cluster").create_migrated()
    home = tmp_path_factory.mktemp("filled")
    shutil.copy(request.getfixturevalue("migrated_file"), home)
    database = Database(make_settings(home, **overrides), ThreadHost())
    journal = Journal(database)
    journal.insert_intents(intent(0))
    first = order(0, status="filled", side="sell", client_order_id="c0")
    journal.record(Batch(orders=[first], trades=[trade(0)], accepted=["o0"]))
    journal.record(Batch(events=[samples.event(0)]))
    journal.close()
    with database.engine.begin() as connection:
        for doubling in range(DOUBLINGS):
            for statement in DOUBLE:
                shifted = LATER[request.param].format(n=2**doubling)
                connection.execute(text(statement.format(n=2**doubling, later=shifted)))
        connection.execute(text("UPDATE orders SET is_open = true WHERE place % 1000 = 0"))
        connection.execute(text(ANALYZE[request.param]))
    yield database
    database.close()


def plans(database: Database, ask: Callable[[Journal], object]) -> list[str]:
    """Return how the database answers what a question asks."""
    asked = []

    def note(_connection, _cursor, statement: str, values, *_rest) -> None:
        if statement.startswith("SELECT"):
            asked.append((statement, values))

    journal = Journal(database)
    event.listen(database.engine, "before_cursor_execute", note)
    ask(journal)
    event.remove(database.engine, "before_cursor_execute", note)
    journal.close()
    explain = "EXPLAIN QUERY PLAN" if database.engine.dialect.name == "sqlite" else "EXPLAIN"
    lines = []
    with database.engine.connect() as connection:
        for statement, values in asked:
            rows = connection.exec_driver_sql(f"{explain} {statement}", values)
            lines += [str(row[-1]) for row in rows]
    return lines


@pytest.mark.parametrize("ask", QUESTIONS)
def test_every_question_is_answered_from_an_index(
    filled: Database, ask: Callable[[Journal], object]
) -> None:
    found = plans(filled, ask)
    assert found
    tables = ("orders", "trades", "journal_events", "order_intents")
    walks = [f"SCAN {table}" for table in tables] + [f"Seq Scan on {table}" for table in tables]
    walked = [line for line in found if any(walk in line for walk in walks)]
    assert [line for line in walked if "USING INDEX" not in line] == []


@pytest.mark.parametrize(
    "ask",
    [
        lambda journal: journal.orders_before(MANY, 9, symbol=None, side=None, status="open"),
        lambda journal: journal.orders_before(MANY, 9, symbol="BTC/USDT", side=None, status="all"),
        lambda journal: journal.trades_before(MANY, 9, symbol=None, since=NOW, until=NOW),
        lambda journal: journal.executions_between(0, MANY, 9),
        lambda journal: journal.trades_before(MANY, 9, symbol="BTC/USDT", since=NOW, until=None),
        lambda journal: journal.find_order(client_order_id="c5"),
    ],
)
def test_no_page_is_sorted(filled: Database, ask: Callable[[Journal], object]) -> None:
    found = plans(filled, ask)
    assert [line for line in found if "TEMP B-TREE" in line or "Sort" in line] == []


def test_pages_go_on_where_they_ended(filled: Database) -> None:
    journal = Journal(filled)
    first = journal.trades_before(MANY, 500, symbol="BTC/USDT", since=None, until=None)
    second = journal.trades_before(first[-1].place, 500, symbol="BTC/USDT", since=None, until=None)
    places = [stored.place for stored in [*first, *second]]
    assert places == list(range(MANY - 2, MANY - 2002, -2))
    newest = journal.newest_orders(3)
    assert [stored.place for stored in newest] == [MANY - 3, MANY - 2, MANY - 1]
    journal.close()


def test_a_page_in_the_middle_of_a_long_history_is_found_by_time(filled: Database) -> None:
    journal = Journal(filled)
    since, until = NOW + 5000 * SECOND, NOW + 5010 * SECOND
    found = journal.trades_before(MANY, 500, symbol=None, since=since, until=until)
    assert [stored.place for stored in found] == list(range(5009, 4999, -1))
    journal.close()


SOME = Batch(
    orders=[
        order(1, status="filled", client_order_id="c"),
        order(2, symbol="ETH/USDT", side="sell"),
        order(3, side="sell", status="partially_filled"),
        order(4, status="canceled", client_order_id="c"),
        order(5, status="unknown"),
    ],
    trades=[
        trade(1, executed_at=NOW + 3 * SECOND),
        trade(2, symbol="ETH/USDT", executed_at=NOW + SECOND),
        trade(3, executed_at=NOW + 2 * SECOND),
    ],
)


@pytest.mark.parametrize(
    ("symbol", "side", "status", "expected"),
    [
        (None, None, "all", [4, 3, 2, 1]),
        (None, None, "open", [3, 2]),
        (None, None, "closed", [4, 1]),
        ("BTC/USDT", None, "all", [4, 3, 1]),
        (None, "sell", "all", [3, 2]),
        ("BTC/USDT", "sell", "open", [3]),
        ("BTC/USDT", "buy", "closed", [4, 1]),
        ("ADA/USDT", None, "all", []),
    ],
)
def test_orders_are_filtered(
    journal: Journal, symbol: str | None, side: str | None, status: str, expected: list[int]
) -> None:
    journal.record(SOME)
    found = journal.orders_before(5, 10, symbol=symbol, side=side, status=status)
    assert [stored.place for stored in found] == expected


@pytest.mark.parametrize(
    ("symbol", "since", "until", "expected"),
    [
        (None, None, None, [3, 2, 1]),
        ("BTC/USDT", None, None, [3, 1]),
        (None, NOW + 2 * SECOND, None, [3, 1]),
        (None, None, NOW + 2 * SECOND, [2]),
        (None, NOW + SECOND, NOW + 3 * SECOND, [3, 2]),
        ("BTC/USDT", NOW + SECOND, NOW + 3 * SECOND, [3]),
    ],
)
def test_trades_are_filtered(
    journal: Journal, symbol: str | None, since, until, expected: list[int]
) -> None:
    journal.record(SOME)
    found = journal.trades_before(9, 10, symbol=symbol, since=since, until=until)
    assert [stored.place for stored in found] == expected


def test_limits_hold(journal: Journal) -> None:
    journal.record(SOME)
    assert len(journal.newest_orders(2)) == 2
    assert len(journal.newest_trades(1)) == 1
    assert len(journal.orders_before(9, 3, symbol=None, side=None, status="all")) == 3
    assert len(journal.trades_before(9, 2, symbol=None, since=None, until=None)) == 2


def test_an_order_is_found_by_either_id(journal: Journal) -> None:
    journal.record(SOME)
    assert journal.find_order(order_id="o2") == SOME.orders[1]
    assert journal.find_order(client_order_id="c") == SOME.orders[3]
    assert journal.find_order(order_id="o9") is None
    assert journal.find_order(client_order_id="o2") is None
    assert journal.find_order() is None
    assert journal.find_trade("t3") == SOME.trades[2]
    assert journal.find_trade("o3") is None
