"""Property test: whatever is recorded or fails, the journal equals a dictionary."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, settings, strategies
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from backend.ports.journal import Batch, Intent, JournalUnavailable, StoredOrder, StoredTrade
from backend.store import Database, Journal
from tests.store.journal.database_faults import connection_lost, empty
from tests.store.journal.samples import ACCOUNT, NOW, OTHER, event, intent, order, trade

pytestmark = pytest.mark.long

OPENED = {
    ACCOUNT: {"USDT": Decimal(10000), "BTC": Decimal("1.000000000000000001")},
    OTHER: {"USDT": Decimal(0)},
}
ACCOUNTS = strategies.sampled_from([ACCOUNT, OTHER])
NUMBERS = strategies.integers(1, 12)
CHANGES = strategies.dictionaries(
    strategies.sampled_from(["USDT", "BTC", "ETH"]),
    strategies.decimals(-(10**20), 10**20, places=18),
    max_size=3,
)
STATUSES = strategies.sampled_from(["open", "partially_filled", "filled", "canceled", "unknown"])
KEYS = strategies.lists(strategies.sampled_from("abc"), max_size=2, unique=True)
LOSSES = strategies.sampled_from(["before commit", "after commit"])
OPEN = {"open", "partially_filled", "unknown"}


def account_of(number: int) -> str:
    return OTHER if number % 3 == 0 else ACCOUNT


@strategies.composite
def batches(draw: strategies.DrawFn) -> Batch:
    numbers = draw(strategies.lists(NUMBERS, max_size=3, unique=True))
    traded = draw(strategies.lists(NUMBERS, max_size=3))
    return Batch(
        orders=[order(n, account=account_of(n), status=draw(STATUSES)) for n in numbers],
        trades=[trade(n, draw(CHANGES), account=account_of(n)) for n in traded],
        balances=draw(strategies.dictionaries(ACCOUNTS, CHANGES, max_size=1)),
        accepted=[f"i{n}" for n in draw(strategies.lists(NUMBERS, max_size=2))],
        lost=[f"i{n}" for n in draw(strategies.lists(NUMBERS, max_size=2))],
        events=[event(n) for n in numbers] + [event(n, "trades") for n in traded],
    )


class Model:
    """What the journal must hold."""

    def __init__(self) -> None:
        self.batches: set[str] = set()
        self.orders: dict[str, StoredOrder] = {}
        self.trades: dict[str, StoredTrade] = {}
        self.totals = {
            account: {asset: Fraction(amount) for asset, amount in opened.items()}
            for account, opened in OPENED.items()
        }
        self.events: list[object] = []
        self.intents: dict[str, Intent] = {}

    def record(self, batch: Batch) -> None:
        if batch.id in self.batches:
            return
        self.batches.add(batch.id)
        self.orders.update({stored.order.id: stored for stored in batch.orders})
        for account, changes in batch.balances.items():
            self._add(account, changes)
        for stored in batch.trades:
            if stored.trade.id not in self.trades:
                self.trades[stored.trade.id] = stored
                self._add(stored.account, stored.changes)
        self.events.extend(batch.events)
        for order_id in batch.accepted:
            self.settle(order_id, "accepted", None)
        for order_id in batch.lost:
            self.settle(order_id, "lost", None)

    def settle(self, order_id: str, state, answer: dict[str, object] | None) -> None:
        known = self.intents.get(order_id)
        if known is not None and known.state != "accepted":
            self.intents[order_id] = replace(known, state=state, answer=answer)

    def holders(self, wanted: Intent) -> list[Intent]:
        """Return the intents that hold a key of another, which then must not be written."""
        return [
            held
            for held in self.intents.values()
            if held.user_id == wanted.user_id
            and held.created_at >= wanted.created_at - timedelta(hours=24)
            and set(held.keys) & set(wanted.keys)
        ]

    def _add(self, account: str, changes) -> None:
        totals = self.totals[account]
        for asset, change in changes.items():
            totals[asset] = totals.get(asset, Fraction(0)) + Fraction(change)


class JournalMachine(RuleBasedStateMachine):
    """Drives a journal and its model side by side."""

    database: Database
    recorded = Bundle("recorded")

    def __init__(self) -> None:
        super().__init__()
        empty(self.database)
        self.model = Model()
        self.journal = Journal(self.database)
        self.now = NOW
        self.intended = 0
        self.before = self.journal.last_event_sequence()

    @initialize()
    def open_accounts(self) -> None:
        for account, opened in OPENED.items():
            self.journal.open_account(account, opened)

    @rule(target=recorded, batch=batches())
    def record(self, batch: Batch) -> Batch:
        self.journal.record(batch)
        self.model.record(batch)
        return batch

    @rule(batch=recorded)
    def record_again(self, batch: Batch) -> None:
        self.journal.record(batch)
        self.model.record(batch)

    @rule(target=recorded, batch=batches(), when=LOSSES, again=strategies.booleans())
    def lose_a_batch(self, batch: Batch, when: str, again: bool):
        with connection_lost(self.database, when=when), pytest.raises(JournalUnavailable):
            self.journal.record(batch)
        if when == "after commit":
            self.model.record(batch)
        if again:
            self.record_again(batch)
            return batch
        return multiple()

    @rule(keys=KEYS, user=strategies.sampled_from(["bob", "eve"]), account=ACCOUNTS)
    def intend(self, keys: list[str], user: str, account: str) -> None:
        wanted = self._next_intent(keys, user, account)
        holders = self.model.holders(wanted)
        (earlier,) = self.journal.insert_intents(wanted)
        if not holders:
            assert earlier is None
            self.model.intents[wanted.order_id] = wanted
            return
        assert earlier in holders

    @rule(keys=KEYS, when=LOSSES)
    def lose_an_intent(self, keys: list[str], when: str) -> None:
        wanted = self._next_intent(keys, "bob", ACCOUNT)
        if self.model.holders(wanted):
            return
        with connection_lost(self.database, when=when), pytest.raises(JournalUnavailable):
            self.journal.insert_intents(wanted)
        self.journal.set_baseline(ACCOUNT, Decimal(1))

    @rule(number=NUMBERS)
    def refuse(self, number: int) -> None:
        self.journal.mark_refused(f"i{number}", {"status": 422})
        self.model.settle(f"i{number}", "refused", {"status": 422})

    @rule(number=NUMBERS)
    def withdraw(self, number: int) -> None:
        self.journal.delete_intent(f"i{number}")
        self.model.intents.pop(f"i{number}", None)

    @rule(hours=strategies.integers(1, 30))
    def wait(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @rule()
    def restart(self) -> None:
        self.journal.close()
        self.journal = Journal(self.database)

    @invariant()
    def accounts_agree(self) -> None:
        for account, opened in OPENED.items():
            state = self.journal.open_account(account, {})
            assert state.opened == opened
            assert state.balances == self.model.totals[account]
            assert list(state.open_orders) == [
                stored
                for stored in self._orders()
                if stored.account == account and stored.order.status in OPEN
            ]

    @invariant()
    def lists_agree(self) -> None:
        assert list(self.journal.newest_orders(100)) == self._orders()
        trades = sorted(self.model.trades.values(), key=lambda stored: stored.place)
        assert list(self.journal.newest_trades(100)) == trades

    @invariant()
    def events_agree(self) -> None:
        found = self.journal.events_after(self.before, ["orders", "trades"], 1000)
        assert [stored.event for stored in found] == self.model.events

    @invariant()
    def intents_agree(self) -> None:
        for account in OPENED:
            expected = [
                known
                for known in self.model.intents.values()
                if known.account == account and known.state == "intended"
            ]
            assert list(self.journal.open_intents(account)) == expected

    def teardown(self) -> None:
        self.journal.close()

    def _next_intent(self, keys: list[str], user: str, account: str) -> Intent:
        self.intended += 1
        self.now += timedelta(seconds=1)
        fields = {"user_id": user, "account": account, "created_at": self.now}
        return intent(self.intended, *keys, order_id=f"i{self.intended}", **fields)

    def _orders(self) -> list[StoredOrder]:
        return sorted(self.model.orders.values(), key=lambda stored: stored.place)


def test_the_journal_is_what_its_model_says(database: Database) -> None:
    # PostgreSQL starts a process after each lost connection: the same rules, played fewer times
    examples = 25 if database.engine.dialect.name == "sqlite" else 10
    machine = type("Machine", (JournalMachine,), {"database": database})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
