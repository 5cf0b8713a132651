"""The order journal: short transactions on one writing connection, reads from the pool."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
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
    SerializedTrade,
    StoredEvent,
    StoredExecution,
    StoredOrder,
    StoredTrade,
)
from backend.store.database import Database
from backend.store.journal import accounts, events, intents
from backend.store.journal import bot_state as memos
from backend.store.journal import commits as batches
from backend.store.journal import queries as lists
from backend.store.journal.writer import Writer, failures_named

P = ParamSpec("P")
T = TypeVar("T")

_TIDY_EVERY = 64


class Journal:
    """An `OrderJournal` and `EventJournal` in the program's database.

    Any thread may call it, and waits for the database. What raises
    `JournalUnavailable` has changed nothing, or is undone before the next change:
    when a connection dies in a commit, nobody knows what the commit came to.
    """

    def __init__(self, database: Database) -> None:
        self._engine = database.engine
        self._writer = Writer(database)
        self._uncertain: set[str] = set()
        self._intended = count(1)
        self._recorded = count(1)

    def open_account(self, account: str, balances: Mapping[str, Decimal]) -> AccountState:
        """Return the account, creating it with these balances when it is new."""
        with self._change() as connection:
            accounts.create(connection, account, balances)
            return accounts.read(connection, account)

    def set_baseline(self, account: str, baseline: Decimal) -> None:
        """Keep the value that profit is counted from."""
        with self._change() as connection:
            accounts.set_baseline(connection, account, baseline)

    def insert_intents(self, *wanted: Intent) -> Sequence[Intent | None]:
        """Write intents; return for each None, or the earlier one that holds a key of it.

        A key is held for 24 h. Of several with one key exactly one is written.
        """
        try:
            with self._change() as connection:
                earlier = [intents.add(connection, intent) for intent in wanted]
                if next(self._intended) % _TIDY_EVERY == 0:
                    intents.forget_some(connection, wanted[0].created_at - KEY_LIFETIME)
                return earlier
        except JournalUnavailable:
            self._uncertain.update(intent.order_id for intent in wanted)
            raise

    def find_intent(self, user_id: str, key: str, at: datetime) -> Intent | None:
        """Return the intent that holds a key at a time, if one does."""
        return self._read(intents.holder, user_id, key, at)

    def mark_refused(self, order_id: str, answer: Mapping[str, Any]) -> None:
        """Note that nothing was placed, and the answer that was given."""
        with self._change() as connection:
            intents.settle(connection, [order_id], "refused", answer)

    def delete_intent(self, order_id: str) -> None:
        """Delete an intent that never reached the bot: a retry with its keys may pass."""
        with self._change() as connection:
            intents.remove(connection, [order_id])

    def open_intents(self, account: str) -> Sequence[Intent]:
        """Return the intents whose outcome is not known, oldest first."""
        return self._read(intents.open_of, account)

    def record(self, batch: Batch) -> Sequence[int]:
        """Commit what happened and return the numbers of its events.

        A trade that is known from another batch is left out with its changes. A batch
        that was committed before changes nothing; nothing else may be recorded meanwhile.
        """
        with self._change() as connection:
            batches.commit(connection, batch)
            if next(self._recorded) % _TIDY_EVERY == 0:
                batches.forget_some(connection)
            return events.newest_numbers(connection, len(batch.events))

    def bot_state(self, name: str) -> Mapping[str, Any]:
        """Return what was last kept under a name; nothing is in it if nothing ever was."""
        return self._read(memos.read, name)

    def newest_orders(self, limit: int) -> Sequence[StoredOrder]:
        """Return the newest orders of all accounts, oldest first."""
        return self._read(lists.newest_orders, limit)

    def newest_trades(self, limit: int) -> Sequence[StoredTrade]:
        """Return the newest trades of all accounts, oldest first."""
        return self._read(lists.newest_trades, limit)

    def orders_before(
        self, place: int, limit: int, *, symbol: str | None, side: str | None, status: str
    ) -> Sequence[StoredOrder]:
        """Return older orders, newest first; `status` is open, closed or all."""
        return self._read(lists.orders_before, place, limit, symbol, side, status)

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
        return self._read(lists.trades_before, place, limit, symbol, since, until)

    def executions_between(self, after: int, before: int, limit: int) -> Sequence[StoredExecution]:
        """Return trades between two places, oldest first, as far as books need them."""
        return self._read(lists.executions_between, after, before, limit)

    def find_order(
        self, *, order_id: str | None = None, client_order_id: str | None = None
    ) -> StoredOrder | None:
        """Return one order by either id; of several with one client id the newest."""
        return self._read(lists.find_order, order_id, client_order_id)

    def find_trade(self, trade_id: str) -> StoredTrade | None:
        """Return one trade."""
        return self._read(lists.find_trade, trade_id)

    def events_after(
        self, sequence: int, topics: Collection[str], limit: int
    ) -> Sequence[StoredEvent]:
        """Return the events of some topics that follow a number, oldest first."""
        return self._read(events.after, sequence, topics, limit)

    def last_event_sequence(self) -> int:
        """Return the number of the newest event, 0 if there never was one."""
        return self._read(events.last_sequence)

    def oldest_event_sequence(self) -> int:
        """Return the number of the oldest event that is kept, 0 if there never was one."""
        return self._read(events.oldest_sequence)

    def delete_events_before(self, before: datetime) -> None:
        """Delete the events that were recorded before a time; the newest one always stays.

        It goes in small steps, between which others write.
        """
        more = True
        while more:
            with self._change() as connection:
                more = events.forget_some(connection, before)

    def close(self) -> None:
        """Refuse all further changes and let go of the database."""
        self._writer.close()

    @contextmanager
    def _change(self) -> Iterator[Connection]:
        with self._writer.transaction() as connection:
            uncertain = tuple(self._uncertain)
            if uncertain:
                intents.remove(connection, uncertain)
            yield connection
        self._uncertain.difference_update(uncertain)

    def _read(
        self, look: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        with failures_named(self._engine.dialect), self._engine.connect() as connection:
            return look(connection, *args, **kwargs)
