"""Outcomes on an exchange that tells neither ended orders nor client order ids."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.errors import OrderStateUnknown
from tests.bridge.live.test_outcomes import only, strangers
from tests.exchanges.offline_bridge import OfflineBridge
from tests.waiting import shutting_down


def test_an_order_that_filled_is_found_where_no_list_has_ended_orders(tmp_path: Path) -> None:
    lacks = ("fetchOrder", "fetchOrders", "fetchClosedOrders", "fetchCanceledOrders")
    with shutting_down(OfflineBridge(tmp_path, lacks=lacks, client_ids="lost")) as live:
        live.boot()
        live.exchange.fail("create_order", "BadResponse", after=True, times=1)
        with pytest.raises(OrderStateUnknown):
            live.place(type="market", quantity="0.1", client_order_id="market")
        found = only(live, "market", "filled")
        assert (found["filled"], found["average_price"]) == ("0.1", "40000")
        assert strangers(live) == []
