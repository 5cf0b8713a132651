"""The order state table, that the ledger keeps to it, and that docs/orders.md shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from octobot_trading.enums import ExchangeConstantsOrderColumns as Col

from backend.bridge.ledger.ledger import Ledger
from backend.bridge.ledger.order_state import (
    FOUND,
    OPEN_STATUSES,
    REPORTED,
    TRANSITIONS,
    OrderEvent,
    next_status,
)
from backend.bridge.ledger.outbox import Outbox
from backend.ports.events import Event
from backend.ports.journal import Batch
from backend.ports.order_tracking import OrderTracking
from backend.schemas.orders import Order, OrderStatus
from tests.bridge.ledger import order_state_page
from tests.bridge.order_steps import steps_outside_the_table
from tests.store.journal.samples import order as stored_order

EVENTS: tuple[OrderEvent, ...] = get_args(OrderEvent)
STATUSES: tuple[OrderStatus, ...] = get_args(OrderStatus)
ENDED = set(STATUSES) - OPEN_STATUSES
WAIT_S = 60


class Batches:
    """A journal that keeps what it is given in memory; nothing else is asked of it."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    def record(self, batch: Batch) -> Sequence[int]:
        self.batches.append(batch)
        return range(len(batch.events))


class Events:
    """A sink that keeps events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def publish(self, event: Event, journal_number: int | None = None) -> None:
        self.events.append(event)

    def replace_snapshot(self, topic: str, items: Mapping[str, Any]) -> None:
        """Forget a snapshot."""


def test_an_order_that_has_ended_is_changed_by_nothing() -> None:
    assert {"filled", "canceled", "rejected", "expired"} == ENDED
    assert [next_status(status, event) for status in ENDED for event in EVENTS] == [None] * (
        len(ENDED) * len(EVENTS)
    )


def test_every_event_and_every_status_occurs_in_the_table() -> None:
    assert {event for _, event in TRANSITIONS} == set(EVENTS)
    assert set(TRANSITIONS.values()) == set(STATUSES)


def test_a_new_order_is_open_or_unknown() -> None:
    born = {event: to for (status, event), to in TRANSITIONS.items() if status is None}
    assert born == {"accepted": "open", "outcome_unknown": "unknown"}


@pytest.mark.parametrize("status", STATUSES)
def test_of_an_unknown_order_reports_are_not_believed_and_answers_are(status: OrderStatus) -> None:
    assert next_status("unknown", REPORTED[status]) is None
    if status != "unknown":
        assert next_status("unknown", FOUND[status]) == status


def test_the_page_shows_the_table_as_it_is() -> None:
    page = order_state_page.PAGE.read_text()
    assert order_state_page.table() in page
    assert page == order_state_page.renewed(page)


# ---- no sequence of events leaves the table

IDS = ("a", "b")
ids = st.sampled_from(IDS)
filled = st.sampled_from(["0", "0.0004", "0.001"])
raw_statuses = st.sampled_from(
    ["open", "partially_filled", "filled", "canceled", "expired", "rejected", "closed", "?"]
)
steps = st.one_of(
    st.tuples(st.just("create"), ids, st.sampled_from(["accepted", "outcome_unknown"])),
    st.tuples(st.just("expect"), ids),
    st.tuples(st.just("report"), ids, raw_statuses, filled),
    st.tuples(st.just("trade"), ids),
    st.tuples(st.just("apply"), ids, st.sampled_from(EVENTS)),
    st.tuples(st.just("update"), ids, st.sampled_from(EVENTS)),
    st.tuples(st.just("look up"), ids, st.sampled_from(sorted(FOUND))),
    st.tuples(st.just("edit"), ids),
    st.tuples(st.just("reject"), ids),
    st.tuples(st.just("defer"), ids),
    st.tuples(st.just("release"), ids),
)


def new_order(order_id: str, **fields: Any) -> Order:
    sibling = {"a": "e", "b": "e"}[order_id]
    return stored_order(1, id=order_id, parent_order_id=sibling, **fields).order


def raw_order(order_id: str, status: str, done: str) -> dict[str, Any]:
    return {
        Col.ID.value: order_id,
        Col.EXCHANGE_ID.value: f"x-{order_id}",
        Col.SYMBOL.value: "BTC/USDT",
        Col.SIDE.value: "buy",
        Col.TYPE.value: "limit",
        Col.STATUS.value: status,
        Col.PRICE.value: "60000.25",
        Col.AMOUNT.value: stored_order(1).order.quantity,
        Col.FILLED.value: done,
        Col.COST.value: "0",
        Col.FEE.value: None,
        Col.REDUCE_ONLY.value: False,
        Col.TAG.value: None,
        Col.TIMESTAMP.value: 1_768_900_000,
        Col.TAKER_OR_MAKER.value: "taker",
    }


def raw_trade(order_id: str) -> dict[str, Any]:
    raw = raw_order(order_id, "filled", "0.001")
    return {**raw, Col.ORDER_ID.value: order_id, Col.EXCHANGE_TRADE_ID.value: f"t-{order_id}"}


ACTIONS: dict[str, Callable[..., Any]] = {
    "create": lambda ledger, key, event: ledger.create(new_order(key), event=event),
    "expect": lambda ledger, key: ledger.expect(new_order(key), OrderTracking(group="e")),
    "report": lambda ledger, key, status, done: ledger.record_order(
        raw_order(key, status, done), "sandbox"
    ),
    "trade": lambda ledger, key: ledger.record_trade(raw_trade(key), "sandbox"),
    "apply": lambda ledger, key, event: ledger.apply_event(key, event, OrderTracking()),
    "update": lambda ledger, key, event: ledger.update(new_order(key, status="open"), event),
    "look up": lambda ledger, key, status: ledger.update(
        new_order(key, status=status), FOUND[status]
    ),
    "edit": lambda ledger, key: ledger.mark_edited(key),
    "reject": lambda ledger, key: ledger.expected_ends.update({key: "rejected"}),
    "defer": lambda ledger, key: ledger.defer_cancels([key], IDS[key == "a"]),
    "release": lambda ledger, key: ledger.release_cancels(key),
}


@contextmanager
def an_outbox() -> Iterator[tuple[Outbox, Batches, Events]]:
    journal, sink = Batches(), Events()
    outbox = Outbox(journal, sink)
    try:
        yield outbox, journal, sink
    finally:
        outbox.close()


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.sampled_from(["paper", "real"]), st.lists(steps, max_size=20))
def test_no_sequence_of_events_leaves_the_table(mode: str, sequence: list[Any]) -> None:
    with an_outbox() as (outbox, journal, sink):
        ledger = Ledger(outbox, mode)
        for name, *args in sequence:
            ACTIONS[name](ledger, *args)
            for entry in ledger.orders.newest_first():
                is_listed = entry in ledger.open_orders
                assert is_listed == (entry.item.status in OPEN_STATUSES)
        outbox.flush().result(WAIT_S)
        assert steps_outside_the_table(sink.events) == []
        ids = [entry.item.id for entry in ledger.orders.newest_first()]
        assert len(ids) == len(set(ids))
        stored = {row.order.id: row.order for batch in journal.batches for row in batch.orders}
        assert stored == {entry.item.id: entry.item for entry in ledger.orders.newest_first()}


def test_an_order_that_octobot_reported_first_is_not_created_twice() -> None:
    with an_outbox() as (outbox, _, sink):
        ledger = Ledger(outbox, "real")
        ledger.record_order(raw_order("a", "open", "0.0004"), "sandbox")
        ledger.create(new_order("a"), OrderTracking(exchange_id="x-a"), "outcome_unknown")
        (entry,) = ledger.orders.newest_first()
        assert (entry.item.status, str(entry.item.filled)) == ("unknown", "0.0004")
        assert ledger.tracking_of("a").exchange_id == "x-a"
        outbox.flush().result(WAIT_S)
        names = [event.name for event in sink.events]
        assert names == ["order_created", "order_updated", "order_updated"]
