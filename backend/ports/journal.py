"""What the order journal keeps: plain data between the bridge, which decides, and the store."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, NamedTuple, Protocol

from backend.schemas.orders import Order
from backend.schemas.trades import Execution, Trade

KEYS_LAST = timedelta(hours=24)
IntentState = Literal["intended", "accepted", "refused", "lost"]


@dataclass(frozen=True, slots=True)
class Intent:
    """An order that somebody asked for, written before the bot sees it.

    `keys` are what makes it unique for its user: `header:<Idempotency-Key>`,
    `client:<client_order_id>`, or none. `answer` is the refusal as it was
    given (an error's JSON fields), None for an accepted order: its answer is the order.
    """

    order_id: str
    user_id: str
    keys: tuple[str, ...]
    fingerprint: str
    asked: Mapping[str, Any]
    account: str
    created_at: datetime
    state: IntentState = "intended"
    answer: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """An order's present state, its place in the list, and what rebuilds it in the bot.

    `rebuild` is JSON of the bridge's own making: exchange order id, group, attached orders.
    `json` is the order's own, where that is known already.
    """

    place: int
    account: str
    order: Order
    rebuild: Mapping[str, Any]
    json: bytes | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class StoredTrade:
    """A trade, its place in the list, and what it did to the account's totals.

    `changes` (asset to signed amount) are added when the trade is first
    recorded, and never again.
    """

    place: int
    account: str
    trade: Trade
    changes: Mapping[str, Decimal] = field(default_factory=dict)


class StoredText(NamedTuple):
    """A trade as it is served, its place in the list, and whose it is."""

    place: int
    account: str
    json: bytes


class StoredExecution(NamedTuple):
    """What books need to know of a trade, and its place in the list."""

    place: int
    account: str
    execution: Execution


@dataclass(frozen=True, slots=True)
class StoredPosition:
    """A paper position and its settings; `body` is JSON of the bridge's own making."""

    account: str
    symbol: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class JournalEvent:
    """An event that can be asked for again: its data line, as the streams send it."""

    topic: str
    name: str
    key: str
    symbol: str | None
    data: bytes
    ends: bool


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """A journalled event and its number: numbers grow in the order of commits, with gaps."""

    sequence: int
    event: JournalEvent


@dataclass(frozen=True, slots=True)
class Batch:
    """What happened together; all of it is committed in one transaction, or nothing.

    `balances` are changes of the account's totals (asset to signed amount) that
    come with no trade; `memos` are JSON objects that replace what their names stood
    for. `id` lets the journal know a batch again that is recorded
    once more because nobody knows whether it was committed.
    """

    orders: Sequence[StoredOrder] = ()
    trades: Sequence[StoredTrade] = ()
    positions: Sequence[StoredPosition] = ()
    balances: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)
    memos: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    accepted: Sequence[str] = ()
    lost: Sequence[str] = ()
    events: Sequence[JournalEvent] = ()
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing happened."""
        return not any(getattr(self, row.name) for row in fields(self) if row.name != "id")


@dataclass(frozen=True, slots=True)
class AccountState:
    """What an account comes back with after a restart.

    `opened` holds the balances that the account began with, `balances` the
    present totals, `baseline` the value in the reference market that profit is
    counted from (None until it was first known).
    """

    opened: Mapping[str, Decimal]
    balances: Mapping[str, Decimal]
    baseline: Decimal | None
    open_orders: Sequence[StoredOrder]
    positions: Sequence[StoredPosition] = ()


class JournalUnavailable(Exception):
    """The journal cannot be written: disk full, database gone."""


class OrderJournal(Protocol):
    """The store as the bridge sees it; every method blocks and may be called from any thread.

    All raise `JournalUnavailable` when the store fails, having changed nothing.
    """

    def open_account(self, account: str, balances: Mapping[str, Decimal]) -> AccountState:
        """Return the account, creating it with these balances when it is new."""

    def set_baseline(self, account: str, baseline: Decimal) -> None:
        """Keep the value that profit is counted from."""

    def intend(self, *wanted: Intent) -> Sequence[Intent | None]:
        """Write intents; return for each None, or the earlier one that holds a key of it.

        A key is held for `KEYS_LAST`.
        """

    def find_intent(self, user_id: str, key: str, at: datetime) -> Intent | None:
        """Return the intent that holds a key at a time, if one does."""

    def refuse(self, order_id: str, answer: Mapping[str, Any]) -> None:
        """Note that nothing was placed, and the answer that was given."""

    def withdraw(self, order_id: str) -> None:
        """Delete an intent that never reached the bot (it was not running): a retry may pass."""

    def open_intents(self, account: str) -> Sequence[Intent]:
        """Return the intents whose outcome is not known."""

    def record(self, batch: Batch) -> Sequence[int]:
        """Commit what happened and return the numbers of its events.

        A batch that was committed before changes nothing.
        """

    def memo(self, name: str) -> Mapping[str, Any]:
        """Return what was last kept under a name; nothing is in it if nothing ever was."""

    def newest_orders(self, limit: int) -> Sequence[StoredOrder]:
        """Return the newest orders of all accounts, oldest first."""

    def newest_trades(self, limit: int) -> Sequence[StoredTrade]:
        """Return the newest trades of all accounts, oldest first."""

    def orders_before(
        self, place: int, limit: int, *, symbol: str | None, side: str | None, status: str
    ) -> Sequence[StoredOrder]:
        """Return older orders, newest first; `status` is open, closed or all."""

    def trades_before(
        self,
        place: int,
        limit: int,
        *,
        symbol: str | None,
        since: datetime | None,
        until: datetime | None,
    ) -> Sequence[StoredText]:
        """Return older trades, newest first."""

    def executions_between(self, after: int, before: int, limit: int) -> Sequence[StoredExecution]:
        """Return trades between two places, oldest first, as far as books need them."""

    def find_order(
        self, *, order_id: str | None = None, client_order_id: str | None = None
    ) -> StoredOrder | None:
        """Return one order by either id."""

    def find_trade(self, trade_id: str) -> StoredTrade | None:
        """Return one trade."""


class EventJournal(Protocol):
    """The journalled events as the streams see them; blocks, raises `JournalUnavailable`."""

    def events_after(
        self, sequence: int, topics: Collection[str], limit: int
    ) -> Sequence[StoredEvent]:
        """Return the events of some topics that follow a number, oldest first."""

    def last_event_sequence(self) -> int:
        """Return the number of the newest event, 0 if there never was one."""

    def oldest_event_sequence(self) -> int:
        """Return the number of the oldest event that is kept, 0 if there never was one."""

    def forget_events(self, before: datetime) -> None:
        """Delete the events that were recorded before a time; the newest one always stays."""
