"""The messages of docs/streaming.md, sent as they stand there."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.api import ApiClient
from tests.sockets.conftest import Connect
from tests.streams.sse import wait_until

PAGE = Path(__file__).parents[2] / "docs" / "streaming.md"


def test_the_documented_messages_are_understood(connect: Connect, client: ApiClient) -> None:
    client.as_admin().put("/sandbox/prices/BTC-USDT", json={"price": "40000", "hold": True})
    trader = client.as_trader()
    wait_until(lambda: trader.get("/tickers/BTC-USDT")["price"] == "40000")
    [block] = re.findall(r"^```json\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)
    peer, order_id, statuses = connect(), "", []
    for line in block.splitlines():
        peer.send(line.replace("…", order_id))
        answer = peer.answer()
        assert answer["id"] == json.loads(line)["id"]
        statuses.append(answer["status"])
        data = answer["data"]
        order_id = data.get("order", data).get("id", order_id)
    assert statuses == [200, 200, 201, 200, 200, 200]
