"""Queries on intents; an idempotency key belongs to one order of its user for a day."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update
from sqlalchemy.sql import ClauseElement

from backend.ports.journal import KEY_LIFETIME, Intent
from backend.store.journal.compiled import Insert, portable, upsert
from backend.store.journal.mapping import as_json, intent_values, read_intent
from backend.store.journal.models import IntentKeyRow, IntentRow
from backend.store.types import UtcDateTime

DELETE_BATCH = 128


def _claim(insert_key: Insert) -> ClauseElement:
    """Insert a key, or move it to another intent."""
    new = insert_key.excluded
    return insert_key.on_conflict_do_update(
        index_elements=["user_id", "key"],
        set_={"order_id": new.order_id, "created_at": new.created_at},
    )


_INSERT = portable(insert(IntentRow))
_CLAIM = upsert(IntentKeyRow, _claim)
_ALL = select(IntentRow.__table__)
_BY_KEY = _ALL.join_from(
    IntentRow.__table__, IntentKeyRow, IntentKeyRow.order_id == IntentRow.order_id
).where(IntentKeyRow.user_id == bindparam("user_id"), IntentKeyRow.key == bindparam("key"))
_UNEXPIRED_KEY = portable(
    select(IntentKeyRow.order_id).where(
        IntentKeyRow.user_id == bindparam("user_id"),
        IntentKeyRow.key == bindparam("key"),
        IntentKeyRow.created_at >= bindparam("oldest", type_=UtcDateTime),
    )
)
_OPEN = _ALL.where(
    IntentRow.account == bindparam("account"), IntentRow.state == "intended"
).order_by(IntentRow.created_at, IntentRow.order_id)
_SETTLE = portable(
    update(IntentRow)
    .where(IntentRow.order_id == bindparam("settled"), IntentRow.state != "accepted")
    .values(state=bindparam("state"), answer=bindparam("answer"))
)
_OLDEST_SETTLED = (
    select(IntentRow.order_id)
    .where(IntentRow.created_at < bindparam("before", type_=UtcDateTime))
    .where(IntentRow.state != "intended")
    .order_by(IntentRow.created_at)
    .limit(DELETE_BATCH)
)
_DELETE_EXPIRED = delete(IntentRow).where(IntentRow.order_id.in_(_OLDEST_SETTLED))


def insert_unless_held(connection: Connection, intent: Intent) -> Intent | None:
    """Insert an intent with its keys, or return the earlier one that still holds one of them.

    Call it inside a writing transaction, which excludes other writers between lookup and insert.
    """
    keys = sorted(set(intent.keys))
    oldest = intent.created_at - KEY_LIFETIME
    for key in keys:
        names = {"user_id": intent.user_id, "key": key}
        if _UNEXPIRED_KEY.fetch(connection, {**names, "oldest": oldest}):
            return read_intent(connection.execute(_BY_KEY, names).one())
    _INSERT.run(connection, intent_values(intent))
    for key in keys:
        names = {"user_id": intent.user_id, "key": key, "order_id": intent.order_id}
        _CLAIM.run(connection, {**names, "created_at": intent.created_at})
    return None


def find_by_key(connection: Connection, user_id: str, key: str, at: datetime) -> Intent | None:
    """Return the intent that holds a key at a time, or None."""
    row = connection.execute(_BY_KEY, {"user_id": user_id, "key": key}).first()
    return None if row is None or row.created_at < at - KEY_LIFETIME else read_intent(row)


def settle(
    connection: Connection,
    order_ids: Collection[str],
    state: str,
    answer: Mapping[str, Any] | None = None,
) -> None:
    """Set the outcome of intents; an accepted intent stays accepted."""
    text = None if answer is None else as_json(answer)
    rows = ({"settled": order_id, "state": state, "answer": text} for order_id in order_ids)
    _SETTLE.run(connection, *rows)


def delete_all(connection: Connection, order_ids: Collection[str]) -> None:
    """Delete intents, which frees their keys."""
    connection.execute(delete(IntentRow).where(IntentRow.order_id.in_(order_ids)))


def delete_expired(connection: Connection, before: datetime) -> None:
    """Delete up to `DELETE_BATCH` settled intents whose keys have expired."""
    connection.execute(_DELETE_EXPIRED, {"before": before})


def list_open(connection: Connection, account: str) -> Sequence[Intent]:
    """Return an account's intents without an outcome, oldest first."""
    return [read_intent(row) for row in connection.execute(_OPEN, {"account": account})]
