"""Journal: durable orders, trades and events; one writing connection, reads from the pool."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from itertools import count
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection

from backend.ports.journal import (
    KEY_LIFETIME,
    AccountState,
    Batch,
    Intent,
    JournalUnavailable,
    JournalUnreadable,
    SerializedTrade,
    StoredEvent,
    StoredExecution,
    StoredOrder,
    StoredTrade,
)
from backend.store.database import Database
from backend.store.journal import accounts, bot_state, commits, events, intents, queries
from backend.store.journal.write_probe import WriteProbe
from backend.store.journal.writer import Writer, translated_errors

P = ParamSpec("P")
T = TypeVar("T")

_CLEANUP_EVERY = 64
_PROBED = "write_probe"


class Journal:
    """`OrderJournal` and `EventJournal` in the application's database.

    Any thread may call it, and blocks on the database. A method that raises
    `JournalUnavailable` has changed nothing, or is undone before the next change: when a
    connection dies during a commit, its outcome is unknown.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._writer = Writer(database)
        self._write_probe = WriteProbe(self._write_probe_state)
        self._uncertain: set[str] = set()
        self._insert_count = count(1)
        self._record_count = count(1)

    @property
    def damage(self) -> str | None:
        """The damage of the database's file, found by its check or since; None without."""
        return self._database.integrity.damage

    def wait_until_checked(self, timeout_s: float) -> bool:
        """Wait for the end of the check that began with the process; False if it takes longer."""
        return self._database.integrity.wait_until_checked(timeout_s)

    def begin_write_probe(self) -> Future[None]:
        """Begin a small write, or join the one that runs or has just ended; never blocks.

        The future is done once it is committed, and fails with `JournalUnavailable`.
        """
        return self._write_probe.begin()

    def open_account(self, account: str, balances: Mapping[str, Decimal]) -> AccountState:
        """Return the account, creating it with these balances when it is new."""
        with self._change() as connection:
            accounts.create_if_missing(connection, account, balances)
            return accounts.get(connection, account)

    def set_baseline(self, account: str, baseline: Decimal) -> None:
        """Store the value from which profit is calculated."""
        with self._change() as connection:
            accounts.set_baseline(connection, account, baseline)

    def insert_intents(self, *wanted: Intent) -> Sequence[Intent | None]:
        """Insert intents; return for each None, or the earlier intent that holds one of its keys.

        A key is held for 24 h. Of several intents with one key exactly one is inserted.
        """
        try:
            with self._change() as connection:
                earlier = [intents.insert_unless_held(connection, intent) for intent in wanted]
                if next(self._insert_count) % _CLEANUP_EVERY == 0:
                    intents.delete_expired(connection, wanted[0].created_at - KEY_LIFETIME)
                return earlier
        except JournalUnavailable:
            self._uncertain.update(intent.order_id for intent in wanted)
            raise

    def find_intent(self, user_id: str, key: str, at: datetime) -> Intent | None:
        """Return the intent that holds a key at a time, or None."""
        return self._read(intents.find_by_key, user_id, key, at)

    def mark_refused(self, order_id: str, answer: Mapping[str, Any]) -> None:
        """Settle an intent as refused, with the error that was returned."""
        with self._change() as connection:
            intents.settle(connection, [order_id], "refused", answer)

    def delete_intent(self, order_id: str) -> None:
        """Delete an intent that never reached the bot, which frees its keys."""
        with self._change() as connection:
            intents.delete_all(connection, [order_id])

    def open_intents(self, account: str) -> Sequence[Intent]:
        """Return the intents without a known outcome, oldest first."""
        return self._read(intents.list_open, account)

    def record(self, batch: Batch) -> Sequence[int]:
        """Commit a batch and return the numbers of its events.

        A trade known from another batch is left out with its balance changes. A batch that
        was committed before changes nothing; the caller records no other in between.
        """
        with self._change() as connection:
            commits.commit(connection, batch)
            if next(self._record_count) % _CLEANUP_EVERY == 0:
                commits.delete_old_batches(connection)
            return events.list_last_sequences(connection, len(batch.events))

    def bot_state(self, name: str) -> Mapping[str, Any]:
        """Return the JSON object stored under a name, empty if there is none."""
        return self._read(bot_state.get, name)

    def newest_orders(self, limit: int) -> Sequence[StoredOrder]:
        """Return the newest orders of all accounts, oldest first."""
        return self._read(queries.newest_orders, limit)

    def newest_trades(self, limit: int) -> Sequence[StoredTrade]:
        """Return the newest trades of all accounts, oldest first."""
        return self._read(queries.newest_trades, limit)

    def orders_before(
        self, place: int, limit: int, *, symbol: str | None, side: str | None, status: str
    ) -> Sequence[StoredOrder]:
        """Return older orders, newest first; `status` is open, closed or all."""
        return self._read(queries.orders_before, place, limit, symbol, side, status)

    def trades_before(
        self,
        place: int,
        limit: int,
        *,
        symbol: str | None,
        since: datetime | None,
        until: datetime | None,
    ) -> Sequence[SerializedTrade]:
        """Return older trades, newest first."""
        return self._read(queries.trades_before, place, limit, symbol, since, until)

    def executions_between(self, after: int, before: int, limit: int) -> Sequence[StoredExecution]:
        """Return the trades between two places, oldest first, for accounting."""
        return self._read(queries.executions_between, after, before, limit)

    def find_order(
        self, *, order_id: str | None = None, client_order_id: str | None = None
    ) -> StoredOrder | None:
        """Return one order by either id; of several with one client id the newest."""
        return self._read(queries.find_order, order_id, client_order_id)

    def find_trade(self, trade_id: str) -> StoredTrade | None:
        """Return one trade."""
        return self._read(queries.find_trade, trade_id)

    def events_after(
        self, sequence: int, topics: Collection[str], limit: int
    ) -> Sequence[StoredEvent]:
        """Return the events of the topics with a greater number, oldest first."""
        return self._read(events.list_after, sequence, topics, limit)

    def last_event_sequence(self) -> int:
        """Return the number of the newest event, 0 without any."""
        return self._read(events.last_sequence)

    def oldest_event_sequence(self) -> int:
        """Return the number of the oldest stored event, 0 without any."""
        return self._read(events.oldest_sequence)

    def delete_events_before(self, before: datetime) -> None:
        """Delete the events recorded before a time, except the newest event of all.

        Runs in small transactions, between which others can write.
        """
        more = True
        while more:
            with self._change() as connection:
                more = events.delete_before(connection, before)

    def close(self) -> None:
        """Refuse further changes and close the writing connection."""
        self._writer.close()

    def _write_probe_state(self) -> None:
        with self._change() as connection:
            bot_state.upsert_all(connection, {_PROBED: {}})

    @contextmanager
    def _change(self) -> Iterator[Connection]:
        with self._writer.transaction() as connection:
            uncertain = tuple(self._uncertain)
            if uncertain:
                intents.delete_all(connection, uncertain)
            yield connection
        self._uncertain.difference_update(uncertain)

    def _read(
        self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        with translated_errors(self._database), self._database.engine.connect() as connection:
            try:
                return query(connection, *args, **kwargs)
            except OverflowError:  # an argument's, not the row's
                raise
            except (ValueError, LookupError, TypeError, ArithmeticError) as error:
                raise JournalUnreadable(type(error).__name__) from error
