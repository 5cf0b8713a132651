"""Row types that the outbox commits, and the journal batch that they merge into."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from backend.accounting.decimals import EXACT, ZERO
from backend.ports.events import Event
from backend.ports.journal import Batch, JournalEvent, StoredOrder, StoredPosition, StoredTrade
from backend.schemas.topics import JOURNALLED


class BalanceChange(NamedTuple):
    """A change of an account's total without a trade, such as funding."""

    account: str
    asset: str
    amount: Decimal


class SettledIntent(NamedTuple):
    """The outcome of an intent: its order was accepted, or is known to be lost."""

    order_id: str
    state: Literal["accepted", "lost"]


class ReplacedTrade(NamedTuple):
    """An estimated trade that executions have replaced."""

    trade_id: str


class SavedState(NamedTuple):
    """A JSON object that replaces the one stored under its name."""

    name: str
    body: Mapping[str, Any]


class Baseline(NamedTuple):
    """The value of an account that its profit is counted from."""

    account: str
    value: Decimal


Row = (
    StoredOrder
    | StoredTrade
    | ReplacedTrade
    | StoredPosition
    | BalanceChange
    | SettledIntent
    | SavedState
    | Baseline
)


@dataclass(slots=True)
class _Merged:
    orders: dict[str, StoredOrder] = field(default_factory=dict)
    trades: list[StoredTrade] = field(default_factory=list)
    replaced_trades: list[str] = field(default_factory=list)
    positions: dict[tuple[str, str], StoredPosition] = field(default_factory=dict)
    balances: dict[str, dict[str, Decimal]] = field(default_factory=dict)
    bot_state: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    accepted: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def add(self, row: Row) -> None:
        match row:
            case StoredOrder():
                self.orders[row.order.id] = row
            case StoredTrade():
                self.trades.append(row)
            case ReplacedTrade():
                self.trades = [each for each in self.trades if each.trade.id != row.trade_id]
                self.replaced_trades.append(row.trade_id)
            case StoredPosition():
                self.positions[row.account, row.symbol] = row
            case BalanceChange():
                of_account = self.balances.setdefault(row.account, {})
                of_account[row.asset] = EXACT.add(of_account.get(row.asset, ZERO), row.amount)
            case SettledIntent():
                (self.accepted if row.state == "accepted" else self.lost).append(row.order_id)
            case SavedState():
                self.bot_state[row.name] = row.body
            case Baseline():
                pass  # the journal stores it apart from the batch


def merge(rows: Iterable[Row], events: Sequence[Event]) -> Batch:
    """Merge rows and journalled events: the last state of an order or position wins."""
    merged = _Merged()
    for row in rows:
        merged.add(row)
    return Batch(
        orders=tuple(merged.orders.values()),
        trades=merged.trades,
        replaced_trades=merged.replaced_trades,
        positions=tuple(merged.positions.values()),
        balances=merged.balances,
        bot_state=merged.bot_state,
        accepted=merged.accepted,
        lost=merged.lost,
        events=[
            JournalEvent(e.topic, e.name, e.key, e.symbol, e.data, e.item is None)
            for e in events
            if e.topic in JOURNALLED
        ],
    )
