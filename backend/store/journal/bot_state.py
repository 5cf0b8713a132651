"""Queries on the bot's state: JSON objects by name that a restart restores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import Connection, select
from sqlalchemy.sql import ClauseElement

from backend.store.journal.compiled import Insert, upsert
from backend.store.journal.mapping import as_json
from backend.store.journal.models import BotStateRow


def _replace(insert: Insert) -> ClauseElement:
    return insert.on_conflict_do_update(
        index_elements=["name"], set_={"body": insert.excluded.body}
    )


_UPSERT = upsert(BotStateRow, _replace)


def upsert_all(connection: Connection, states: Mapping[str, Mapping[str, Any]]) -> None:
    """Store objects, replacing those of the same names."""
    rows = ({"name": name, "body": as_json(state)} for name, state in states.items())
    _UPSERT.run(connection, *rows)


def get(connection: Connection, name: str) -> Mapping[str, Any]:
    """Return the object of a name, empty if there is none."""
    body = connection.execute(select(BotStateRow.body).where(BotStateRow.name == name)).scalar()
    state: dict[str, Any] = {} if body is None else orjson.loads(body)
    return state
