"""Process that records orders in a journal until it is killed; run by test_kills.

For each line `<seed> <statement>` on stdin it forks a child, which prints its pid and
each order whose recording has returned, until it is killed from outside. With a
statement above 0 it kills itself before the statement of that number.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import sys
from decimal import Decimal
from pathlib import Path

from sqlalchemy import event

from backend.concurrency.host import ThreadHost
from backend.ports.journal import Batch, StoredOrder
from backend.settings.model import Settings
from backend.store import Database, Journal
from tests.store.journal.samples import ACCOUNT, intent, order, trade
from tests.store.journal.samples import event as told


def write_until_killed(settings: Settings, seed: int, fatal_statement: int) -> None:
    """Record orders, each as an intent and some batches, forever."""
    database = Database(settings, ThreadHost())
    if fatal_statement:
        kill_at(database, fatal_statement)
    journal = Journal(database)
    journal.open_account(ACCOUNT, {})
    chance = random.Random(seed)
    report("living", os.getpid())
    used = [stored.place for stored in journal.newest_orders(1)]
    used += [int(left.order_id[1:]) for left in journal.open_intents(ACCOUNT)]
    for number in itertools.count(max(used, default=0) + 1):
        record_order(journal, chance, number)
        report("kept", number)


def report(what: str, number: int) -> None:
    """Write a line in one piece, which a kill cannot cut."""
    os.write(1, f"{what} {number}\n".encode())


def record_order(journal: Journal, chance: random.Random, number: int) -> None:
    """Record one order from its intent to its last trade."""
    journal.insert_intents(intent(number, f"header:{number}", f"client:{number}"))
    journal.record(opening_batch(number))
    for batch in fill_batches(chance, number):
        journal.record(batch)
        if chance.random() < 0.3:
            journal.record(batch)


def opening_batch(number: int) -> Batch:
    """Return the batch of a new order."""
    return Batch(orders=[order(number)], accepted=[f"o{number}"], events=[told(number)])


def fill_batches(chance: random.Random, number: int) -> list[Batch]:
    """Return one to three partial fills, the last of which ends the order."""
    count = chance.randint(1, 3)
    states: list[StoredOrder] = [order(number, status="partially_filled")] * (count - 1)
    states.append(order(number, status="filled"))
    batches = []
    for part, state in enumerate(states):
        change = {"BTC": Decimal(chance.randint(1, 10**9)).scaleb(-18), "USDT": Decimal(-1)}
        executed = trade(number, change, id=f"t{number}-{part}")
        batches.append(Batch(orders=[state], trades=[executed], events=[told(number, "trades")]))
    return batches


def kill_at(database: Database, fatal_statement: int) -> None:
    """Make SQLite kill this process before a statement."""
    run = itertools.count(1)

    def trace(_statement: str) -> None:
        if next(run) == fatal_statement:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(connection, _entry: object) -> None:
        connection.set_trace_callback(trace)

    event.listen(database.engine, "connect", watch)


def main() -> None:
    """Fork a life for each line and wait for its death."""
    url = sys.argv[2] if len(sys.argv) > 2 else None
    settings = Settings(_env_file=None, home=Path(sys.argv[1]), database_url=url)
    for line in sys.stdin:
        seed, fatal_statement = map(int, line.split())
        pid = os.fork()
        if pid == 0:
            write_until_killed(settings, seed, fatal_statement)
        os.waitpid(pid, 0)
        report("dead", pid)


if __name__ == "__main__":
    main()
