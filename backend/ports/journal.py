"""Order journal: its records, and the OrderJournal and EventJournal Protocols of the store."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, NamedTuple, Protocol

from backend.ports.order_tracking import UNTRACKED, OrderTracking
from backend.schemas.orders import Order
from backend.schemas.trades import Execution, Trade

KEY_LIFETIME = timedelta(hours=24)
IntentState = Literal["intended", "accepted", "refused", "lost"]


@dataclass(frozen=True, slots=True)
class Intent:
    """Requested order, journalled before the bot receives it.

    `keys` are the idempotency keys of its user: `header:<Idempotency-Key>`,
    `client:<client_order_id>`, or none. `answer` holds the JSON fields of the error that
    refused the order; it is None for an accepted order, whose answer is the order itself.
    """

    order_id: str
    user_id: str
    keys: tuple[str, ...]
    fingerprint: str
    request: Mapping[str, Any]
    account: str
    created_at: datetime
    state: IntentState = "intended"
    answer: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """Present state of an order, its place in the order list, and the data to recreate it.

    `json` is the order already encoded, if the caller has it.
    """

    place: int
    account: str
    order: Order
    tracking: OrderTracking = UNTRACKED
    json: bytes | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class StoredTrade:
    """Trade, its place in the trade list, and its effect on the account's balances.

    `changes` (asset to signed amount) are added to the balances once, when the trade
    is first recorded.
    """

    place: int
    account: str
    trade: Trade
    changes: Mapping[str, Decimal] = field(default_factory=dict)


class SerializedTrade(NamedTuple):
    """Trade as its encoded JSON, with its place in the trade list and its account."""

    place: int
    account: str
    json: bytes


class StoredExecution(NamedTuple):
    """Fields of a trade that accounting needs, with its place in the trade list."""

    place: int
    account: str
    execution: Execution


@dataclass(frozen=True, slots=True)
class StoredPosition:
    """Paper position and its settings; `body` is JSON that only the bridge interprets."""

    account: str
    symbol: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class JournalEvent:
    """Durable event: `data` is its SSE data line; `ends` marks one that removes its key."""

    topic: str
    name: str
    key: str
    symbol: str | None
    data: bytes
    ends: bool


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """Journalled event and its number; numbers grow in the order of commits, with gaps."""

    sequence: int
    event: JournalEvent


@dataclass(frozen=True, slots=True)
class Batch:
    """Changes that are committed in one transaction.

    `replaced_trades` are ids of estimated trades that are deleted before `trades` are
    inserted. `balances` are balance changes without a trade (account to asset to signed amount);
    `bot_state` maps names to the JSON objects that replace the stored ones; `accepted` and
    `lost` are order ids whose intents are settled. `id` makes a retry after an
    uncertain commit idempotent.
    """

    orders: Sequence[StoredOrder] = ()
    trades: Sequence[StoredTrade] = ()
    replaced_trades: Sequence[str] = ()
    positions: Sequence[StoredPosition] = ()
    balances: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)
    bot_state: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    accepted: Sequence[str] = ()
    lost: Sequence[str] = ()
    events: Sequence[JournalEvent] = ()
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def is_empty(self) -> bool:
        """Return whether there is nothing to commit."""
        return not any(getattr(self, row.name) for row in fields(self) if row.name != "id")


@dataclass(frozen=True, slots=True)
class AccountState:
    """State of an account that is restored after a restart.

    `opened` holds the balances at the account's creation, `balances` the present
    totals, `baseline` the value in the reference market from which profit is
    calculated (None until it is first known).
    """

    opened: Mapping[str, Decimal]
    balances: Mapping[str, Decimal]
    baseline: Decimal | None
    open_orders: Sequence[StoredOrder]
    positions: Sequence[StoredPosition] = ()


class JournalUnavailable(Exception):
    """The journal's database cannot be used: disk full, connection lost."""


class JournalUnreadable(JournalUnavailable):
    """A stored row cannot be decoded: what it says is lost."""


class OrderJournal(Protocol):
    """Durable log of intents, orders and trades; every method blocks, any thread may call it.

    All raise `JournalUnavailable` when the store fails, having changed nothing.
    """

    @property
    def damage(self) -> str | None:
        """The damage of the store that no retry mends; None without. No order is sent on it."""

    def wait_until_checked(self, timeout_s: float) -> bool:
        """Wait for the end of the store's check; False if it takes longer."""

    def begin_write_probe(self) -> Future[None]:
        """Begin a small write, or join the one that runs or has just ended; never blocks.

        The future is done once it is committed, and fails with `JournalUnavailable`.
        """

    def open_account(self, account: str, balances: Mapping[str, Decimal]) -> AccountState:
        """Return the account, creating it with these balances when it is new."""

    def set_baseline(self, account: str, baseline: Decimal) -> None:
        """Store the value from which profit is calculated."""

    def insert_intents(self, *wanted: Intent) -> Sequence[Intent | None]:
        """Insert intents; return for each None, or the earlier intent that holds one of its keys.

        A key is held for `KEY_LIFETIME`.
        """

    def find_intent(self, user_id: str, key: str, at: datetime) -> Intent | None:
        """Return the intent that holds a key at a time, or None."""

    def mark_refused(self, order_id: str, answer: Mapping[str, Any]) -> None:
        """Settle an intent as refused, with the error that was returned."""

    def delete_intent(self, order_id: str) -> None:
        """Delete an intent that never reached the bot (not running), which frees its keys."""

    def open_intents(self, account: str) -> Sequence[Intent]:
        """Return the intents without a known outcome."""

    def record(self, batch: Batch) -> Sequence[int]:
        """Commit a batch and return the numbers of its events.

        A batch that was committed before changes nothing.
        """

    def bot_state(self, name: str) -> Mapping[str, Any]:
        """Return the JSON object stored under a name, empty if there is none."""

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
    ) -> Sequence[SerializedTrade]:
        """Return older trades, newest first."""

    def executions_between(self, after: int, before: int, limit: int) -> Sequence[StoredExecution]:
        """Return the trades between two places, oldest first, for accounting."""

    def find_order(
        self, *, order_id: str | None = None, client_order_id: str | None = None
    ) -> StoredOrder | None:
        """Return one order by either id."""

    def find_trade(self, trade_id: str) -> StoredTrade | None:
        """Return one trade."""


class EventJournal(Protocol):
    """Durable log of events; its methods block and raise `JournalUnavailable`."""

    def events_after(
        self, sequence: int, topics: Collection[str], limit: int
    ) -> Sequence[StoredEvent]:
        """Return the events of the topics with a greater number, oldest first."""

    def last_event_sequence(self) -> int:
        """Return the number of the newest event, 0 without any."""

    def oldest_event_sequence(self) -> int:
        """Return the number of the oldest stored event, 0 without any."""

    def delete_events_before(self, before: datetime) -> None:
        """Delete the events recorded before a time, except the newest event of all."""
