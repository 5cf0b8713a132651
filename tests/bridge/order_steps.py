"""Steps between the statuses of orders, as events tell them, held against the table."""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from backend.bridge.ledger.order_state import TRANSITIONS
from backend.ports.events import Event

STEPS = {(before, after) for (before, _), after in TRANSITIONS.items()}
_UNSEEN = "unseen"


def steps_outside_the_table(events: Iterable[Event]) -> list[tuple[str, str | None, str]]:
    """Return order, status before and status after of each step that the table does not have.

    Of an order that was not created in front of our eyes, the first status is not judged. The sums
    of one that has ended may be corrected, as `order_updated`.
    """
    seen: dict[str, str | None] = {}
    outside = []
    for event in events:
        if event.topic != "orders":
            continue
        after = orjson.loads(event.data)["order"]["status"]
        is_new = event.name == "order_created"
        before = None if is_new and event.key not in seen else seen.get(event.key, _UNSEEN)
        corrects = event.name == "order_updated" and before == after
        if before != _UNSEEN and not corrects and (before, after) not in STEPS:
            outside.append((event.key, before, after))
        seen[event.key] = after
    return outside
