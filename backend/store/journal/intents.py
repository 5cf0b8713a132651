"""Intents as they are kept: a key stands for one order of its user, for a day."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update
from sqlalchemy.sql import ClauseElement

from backend.ports.journal import KEY_LIFETIME, Intent
from backend.store.journal.compiled import Insert, in_both, upsert
from backend.store.journal.mapping import as_json, intent_values, read_intent
from backend.store.journal.models import IntentKeyRow, IntentRow
from backend.store.types import UtcDateTime

MOST_FORGOTTEN = 128


def _claim(insert_key: Insert) -> ClauseElement:
    """Insert a key, or take it from the intent that it stood for."""
    new = insert_key.excluded
    return insert_key.on_conflict_do_update(
        index_elements=["user_id", "key"],
        set_={"order_id": new.order_id, "created_at": new.created_at},
    )


_INSERT = in_both(insert(IntentRow))
_CLAIM = upsert(IntentKeyRow, _claim)
_ALL = select(IntentRow.__table__)
_HOLDER = _ALL.join_from(
    IntentRow.__table__, IntentKeyRow, IntentKeyRow.order_id == IntentRow.order_id
).where(IntentKeyRow.user_id == bindparam("user_id"), IntentKeyRow.key == bindparam("key"))
_HELD = in_both(
    select(IntentKeyRow.order_id).where(
        IntentKeyRow.user_id == bindparam("user_id"),
        IntentKeyRow.key == bindparam("key"),
        IntentKeyRow.created_at >= bindparam("oldest", type_=UtcDateTime),
    )
)
_OPEN = _ALL.where(
    IntentRow.account == bindparam("account"), IntentRow.state == "intended"
).order_by(IntentRow.created_at, IntentRow.order_id)
_SETTLE = in_both(
    update(IntentRow)
    .where(IntentRow.order_id == bindparam("settled"), IntentRow.state != "accepted")
    .values(state=bindparam("state"), answer=bindparam("answer"))
)
_OLDEST_SETTLED = (
    select(IntentRow.order_id)
    .where(IntentRow.created_at < bindparam("before", type_=UtcDateTime))
    .where(IntentRow.state != "intended")
    .order_by(IntentRow.created_at)
    .limit(MOST_FORGOTTEN)
)
_FORGET = delete(IntentRow).where(IntentRow.order_id.in_(_OLDEST_SETTLED))


def add(connection: Connection, intent: Intent) -> Intent | None:
    """Write an intent and its keys, or return the one that still holds a key of them.

    Nobody else writes meanwhile: what was looked up first holds until the end.
    """
    keys = sorted(set(intent.keys))
    oldest = intent.created_at - KEY_LIFETIME
    for key in keys:
        names = {"user_id": intent.user_id, "key": key}
        if _HELD.fetch(connection, {**names, "oldest": oldest}):
            return read_intent(connection.execute(_HOLDER, names).one())
    _INSERT.run(connection, intent_values(intent))
    for key in keys:
        names = {"user_id": intent.user_id, "key": key, "order_id": intent.order_id}
        _CLAIM.run(connection, {**names, "created_at": intent.created_at})
    return None


def holder(connection: Connection, user_id: str, key: str, at: datetime) -> Intent | None:
    """Return the intent that holds a key, unless it is too old at that time."""
    row = connection.execute(_HOLDER, {"user_id": user_id, "key": key}).first()
    return None if row is None or row.created_at < at - KEY_LIFETIME else read_intent(row)


def settle(
    connection: Connection,
    order_ids: Collection[str],
    state: str,
    answer: Mapping[str, Any] | None = None,
) -> None:
    """Note the outcome of intents. That an order came to be is the last word on its intent."""
    text = None if answer is None else as_json(answer)
    rows = ({"settled": order_id, "state": state, "answer": text} for order_id in order_ids)
    _SETTLE.run(connection, *rows)


def remove(connection: Connection, order_ids: Collection[str]) -> None:
    """Delete intents, which gives their keys back."""
    connection.execute(delete(IntentRow).where(IntentRow.order_id.in_(order_ids)))


def forget_some(connection: Connection, before: datetime) -> None:
    """Delete a few of the oldest intents that were settled and whose keys no longer count."""
    connection.execute(_FORGET, {"before": before})


def open_of(connection: Connection, account: str) -> Sequence[Intent]:
    """Return an account's intents without an outcome, oldest first."""
    return [read_intent(row) for row in connection.execute(_OPEN, {"account": account})]
