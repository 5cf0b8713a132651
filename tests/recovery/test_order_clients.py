from __future__ import annotations

import http.client
import random
from typing import Any

import pytest

from tests.recovery.order_clients import Client
from tests.server_process import Answer, Api

ORDER = {"id": "1", "status": "open", "quantity": "0.0056"}


class AnsweringApi(Api):
    """Answers each request with the next of some statuses."""

    def __init__(self, *statuses: int) -> None:
        super().__init__(port=0)
        self._statuses = iter(statuses)

    def send(self, *_: Any, **__: Any) -> Answer:
        status = next(self._statuses)
        return Answer(status, http.client.HTTPMessage(), {"type": "order_not_open", "data": ORDER})


class OneQuantity(random.Random):
    """Draws the same quantity again and again."""

    def randint(self, a: int, b: int) -> int:
        return 227


@pytest.mark.parametrize(
    ("statuses", "possible"),
    [
        ([200], {"0.00227"}),
        ([409], {"0.0056"}),
        ([200, 409], {"0.00227"}),  # refused, it leaves the quantity that the first one gave
        ([200, 409, 409], {"0.00227"}),
    ],
)
def test_a_refused_change_leaves_the_quantity_that_stood(
    statuses: list[int], possible: set[str]
) -> None:
    client = Client("0", "BTC/USDT", OneQuantity(), {})
    api = AnsweringApi(*statuses)
    for _ in statuses:
        client.change(api, ORDER)
    assert client.changes["1"] == possible
