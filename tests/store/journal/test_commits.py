"""A batch is committed once and as a whole, however often it is recorded."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from backend.ports.journal import Batch, StoredPosition
from backend.ports.order_tracking import OrderTracking
from backend.store import Journal
from backend.store.journal.commits import BATCHES_KEPT
from tests.store.journal.samples import ACCOUNT, OTHER, event, intent, order, trade

BUY = {"BTC": Decimal("0.001"), "USDT": Decimal("-60.06025025")}
TOPICS = ["orders", "trades"]


@pytest.fixture(autouse=True)
def accounts(journal: Journal) -> None:
    journal.open_account(ACCOUNT, {"USDT": Decimal(10000)})
    journal.open_account(OTHER, {"USDT": Decimal(1)})


def balances(journal: Journal, account: str = ACCOUNT) -> dict[str, Decimal]:
    return dict(journal.open_account(account, {}).balances)


def events(journal: Journal) -> list[str]:
    return [stored.event.key for stored in journal.events_after(0, TOPICS, 100)]


def test_all_of_a_batch_is_kept(journal: Journal) -> None:
    journal.insert_intents(intent(1))
    journal.insert_intents(intent(2))
    journal.record(
        Batch(
            orders=[order(1, status="filled", tag="é-日本")],
            trades=[trade(1, BUY)],
            balances={OTHER: {"USDT": Decimal("-0.25")}},
            accepted=["o1"],
            lost=["o2"],
            events=[event(1), event(2, "trades")],
        )
    )
    assert journal.find_order(order_id="o1") == order(1, status="filled", tag="é-日本")
    assert journal.find_trade("t1") == trade(1, BUY)
    assert balances(journal) == {"USDT": Decimal("9939.93974975"), "BTC": Decimal("0.001")}
    assert balances(journal, OTHER) == {"USDT": Decimal("0.75")}
    assert journal.open_intents(ACCOUNT) == []
    assert [stored.event for stored in journal.events_after(0, TOPICS, 100)] == [
        event(1),
        event(2, "trades"),
    ]


def test_an_empty_batch_changes_nothing(journal: Journal) -> None:
    journal.record(Batch())
    assert journal.newest_orders(10) == []
    assert journal.last_event_sequence() == 0


def test_a_batch_that_is_recorded_again_changes_nothing(journal: Journal) -> None:
    batch = Batch(
        orders=[order(1)],
        trades=[trade(1, BUY)],
        balances={ACCOUNT: {"USDT": Decimal(-1)}},
        events=[event(1)],
    )
    journal.record(batch)
    before = balances(journal)
    journal.record(batch)
    journal.record(batch)
    assert (
        balances(journal)
        == before
        == {
            "USDT": Decimal("9938.93974975"),
            "BTC": Decimal("0.001"),
        }
    )
    assert events(journal) == ["o1"]


def test_a_batch_is_known_again_after_a_restart_and_others_in_between(
    journal: Journal, database
) -> None:
    batch = Batch(orders=[order(1)], balances={ACCOUNT: {"USDT": Decimal(1)}}, events=[event(1)])
    journal.record(batch)
    for number in range(2, BATCHES_KEPT):
        journal.record(Batch(events=[event(number)]))
    journal.record(Batch(orders=[order(1, status="filled")]))
    journal.close()
    second = Journal(database)
    second.record(batch)
    assert balances(second) == {"USDT": Decimal(10001)}
    assert len(events(second)) == BATCHES_KEPT - 1
    stored = second.find_order(order_id="o1")
    assert stored is not None
    assert stored.order.status == "filled"
    second.close()


def test_few_batches_are_remembered(journal: Journal, database) -> None:
    for _ in range(4 * BATCHES_KEPT):
        journal.record(Batch(balances={ACCOUNT: {"USDT": Decimal(1)}}))
    with database.engine.connect() as connection:
        remembered = connection.exec_driver_sql("SELECT count(*) FROM journal_batches").scalar()
    assert BATCHES_KEPT <= remembered <= 2 * BATCHES_KEPT
    assert balances(journal) == {"USDT": Decimal(10000 + 4 * BATCHES_KEPT)}


def test_a_trade_that_another_batch_brought_is_left_out_with_its_changes(journal: Journal) -> None:
    journal.record(Batch(trades=[trade(1, BUY)]))
    altered = replace(trade(1, {"USDT": Decimal(77)}), place=9)
    journal.record(Batch(trades=[altered, trade(2, {"USDT": Decimal(1)})]))
    assert balances(journal) == {"USDT": Decimal("9940.93974975"), "BTC": Decimal("0.001")}
    assert journal.find_trade("t1") == trade(1, BUY)
    assert journal.find_trade("t2") == trade(2, {"USDT": Decimal(1)})


def test_a_trade_that_comes_twice_in_one_batch_counts_once(journal: Journal) -> None:
    journal.record(Batch(trades=[trade(1, BUY), trade(1, BUY)]))
    assert balances(journal)["BTC"] == Decimal("0.001")


def test_an_order_keeps_its_place_and_takes_its_newest_state(journal: Journal) -> None:
    journal.record(Batch(orders=[order(1), order(2)]))
    journal.record(
        Batch(
            orders=[order(1, status="partially_filled", tracking=OrderTracking(exchange_id="x1"))]
        )
    )
    newest = journal.newest_orders(10)
    assert newest == [
        order(1, status="partially_filled", tracking=OrderTracking(exchange_id="x1")),
        order(2),
    ]


def test_money_and_times_come_back_as_they_were_served(journal: Journal) -> None:
    long = Decimal("123456789012.123456789012345678")
    stored = order(1, quantity=long, filled=Decimal("1E+2"), price=Decimal("0.10"))
    journal.record(Batch(orders=[stored], trades=[trade(1, quantity=long)]))
    found, executed = journal.find_order(order_id="o1"), journal.find_trade("t1")
    assert found is not None
    assert executed is not None
    assert found.order.model_dump_json() == stored.order.model_dump_json()
    assert (found.order.quantity, executed.trade.quantity) == (long, long)
    assert found.order.created_at == stored.order.created_at
    assert found.order.created_at.utcoffset() is not None


def test_an_order_of_the_bots_own_needs_no_intent(journal: Journal) -> None:
    journal.record(Batch(orders=[order(1)], accepted=["o1"], lost=["o2"]))
    assert journal.find_order(order_id="o1") == order(1)


def test_a_defect_in_a_batch_leaves_nothing_of_it(journal: Journal) -> None:
    defective = StoredPosition(ACCOUNT, "BTC/USDT:USDT", {"price": Decimal(1)})
    with pytest.raises(TypeError):
        journal.record(Batch(orders=[order(1)], positions=[defective], trades=[trade(1, BUY)]))
    assert journal.newest_orders(10) == []
    assert balances(journal) == {"USDT": Decimal(10000)}
    journal.record(Batch(orders=[order(1)], trades=[trade(1, BUY)]))
    assert balances(journal)["BTC"] == Decimal("0.001")
