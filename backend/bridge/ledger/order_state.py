"""Order state machine: a transition table from status and event to the next status.

An event without an entry for a status changes nothing. Nothing changes an order that
has ended. docs/orders.md shows the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from backend.schemas.orders import OrderStatus

OrderEvent = Literal[
    "accepted",
    "outcome_unknown",
    "amended",
    "triggered",
    "requeued",
    "withdrawn",
    "refused",
    "reported_open",
    "reported_partially_filled",
    "reported_filled",
    "reported_canceled",
    "reported_rejected",
    "reported_expired",
    "reported_unknown",
    "found_open",
    "found_partially_filled",
    "found_filled",
    "found_canceled",
    "found_rejected",
    "found_expired",
]
"""`reported_…` are OctoBot's reports of an order, `found_…` results of look-ups at its exchange.

`outcome_unknown`: the exchange's response was lost, or OctoBot's report may be outdated.
`triggered`: the market reached a stop's price, and the resulting order is being sent. `requeued`:
that order did not reach the exchange and is sent again. `withdrawn`: the order ends without the
exchange, which does not have it. `refused`: the exchange or the simulator did not accept it.
"""

_FROM: tuple[OrderStatus | None, ...] = (None, "open", "partially_filled", "unknown")
_TABLE: Mapping[OrderEvent, tuple[OrderStatus | None, ...]] = {
    # from:                      (new)      open                partially_filled    unknown
    "accepted":                  ("open",    "open",             "partially_filled", "open"),
    "outcome_unknown":           ("unknown", "unknown",          "unknown",          "unknown"),
    "amended":                   (None,      "open",             "partially_filled", "unknown"),
    "triggered":                 (None,      "open",             "partially_filled", "unknown"),
    "requeued":                  (None,      "open",             "open",             "open"),
    "withdrawn":                 (None,      "canceled",         "canceled",         "canceled"),
    "refused":                   (None,      "rejected",         "rejected",         "rejected"),
    "reported_open":             (None,      "open",             "open",             None),
    "reported_partially_filled": (None,      "partially_filled", "partially_filled", None),
    "reported_filled":           (None,      "filled",           "filled",           None),
    "reported_canceled":         (None,      "canceled",         "canceled",         None),
    "reported_rejected":         (None,      "rejected",         "rejected",         None),
    "reported_expired":          (None,      "expired",          "expired",          None),
    "reported_unknown":          (None,      "unknown",          "unknown",          None),
    "found_open":                (None,      "open",             "open",             "open"),
    "found_partially_filled":    (None, "partially_filled", "partially_filled", "partially_filled"),
    "found_filled":              (None,      "filled",           "filled",           "filled"),
    "found_canceled":            (None,      "canceled",         "canceled",         "canceled"),
    "found_rejected":            (None,      "rejected",         "rejected",         "rejected"),
    "found_expired":             (None,      "expired",          "expired",          "expired"),
}  # fmt: skip

TRANSITIONS: Mapping[tuple[OrderStatus | None, OrderEvent], OrderStatus] = {
    (status, event): to
    for event, row in _TABLE.items()
    for status, to in zip(_FROM, row, strict=True)
    if to is not None
}
"""The next status, by the status before the event (None: a new order) and the event."""

OPEN_STATUSES = frozenset(status for status, _ in TRANSITIONS if status is not None)

REPORTED: Mapping[OrderStatus, OrderEvent] = {
    "open": "reported_open",
    "partially_filled": "reported_partially_filled",
    "filled": "reported_filled",
    "canceled": "reported_canceled",
    "rejected": "reported_rejected",
    "expired": "reported_expired",
    "unknown": "reported_unknown",
}
FOUND: Mapping[OrderStatus, OrderEvent] = {
    "open": "found_open",
    "partially_filled": "found_partially_filled",
    "filled": "found_filled",
    "canceled": "found_canceled",
    "rejected": "found_rejected",
    "expired": "found_expired",
}


def next_status(status: OrderStatus | None, event: OrderEvent) -> OrderStatus | None:
    """Return the next status, or None when the event changes nothing."""
    return TRANSITIONS.get((status, event))
