"""What is tracked of an order is stored as it always was, and read from every version."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from backend.ports.journal import Batch
from backend.ports.order_tracking import UNTRACKED, OrderTracking
from backend.store import Database, Journal
from tests.store.journal.samples import order

EXIT = order(2).order.model_copy(update={"parent_order_id": "o1"})
EXIT_JSON = EXIT.model_dump(mode="json")

STORED: list[tuple[OrderTracking, dict[str, Any]]] = [
    (UNTRACKED, {}),
    (OrderTracking(exchange_id="x1"), {"exchange_id": "x1"}),
    (OrderTracking(group="o1", exchange_id="x1"), {"group": "o1", "exchange_id": "x1"}),
    (OrderTracking(exits=(EXIT,), exchange_id="7"), {"exits": [EXIT_JSON], "exchange_id": "7"}),
    (OrderTracking(trailing_distance=Decimal("1.50")), {"distance": "1.50"}),
    (OrderTracking(exchange_id="x", is_edited=True), {"exchange_id": "x", "edited": True}),
    (OrderTracking(is_triggered=True), {"triggered": True}),
    (OrderTracking(group="o1", sending="due"), {"group": "o1", "sending": "due"}),
]

trackings = st.builds(
    OrderTracking,
    exits=st.sampled_from([(), (EXIT,), (EXIT, EXIT)]),
    trailing_distance=st.none() | st.decimals(0, 10**9, places=8),
    group=st.none() | st.text(min_size=1),
    exchange_id=st.none() | st.text(min_size=1),
    is_edited=st.booleans(),
    is_triggered=st.booleans(),
    sending=st.sampled_from([None, "due", "begun"]),
)


@pytest.mark.parametrize(("tracking", "stored"), STORED)
def test_the_stored_text_is_the_one_of_earlier_versions(
    journal: Journal, database: Database, tracking: OrderTracking, stored: dict[str, Any]
) -> None:
    journal.record(Batch(orders=[order(1, tracking=tracking)]))
    with database.engine.connect() as connection:
        found = connection.execute(text("SELECT rebuild FROM orders")).scalar_one()
    assert found == orjson.dumps(stored).decode()


@given(trackings)
def test_what_is_stored_comes_back(tracking: OrderTracking) -> None:
    assert OrderTracking.from_json(orjson.loads(orjson.dumps(tracking.to_json()))) == tracking


@pytest.mark.parametrize(
    ("stored", "tracking"),
    [
        ({"exchange_id": None, "sending": "begun"}, OrderTracking(sending="begun")),
        ({"group": None, "exchange_id": 17}, OrderTracking(exchange_id="17")),
        ({"of a later version": {"a": 1}, "group": "o1"}, OrderTracking(group="o1")),
    ],
)
def test_what_other_versions_stored_is_read(
    stored: dict[str, Any], tracking: OrderTracking
) -> None:
    assert OrderTracking.from_json(stored) == tracking
