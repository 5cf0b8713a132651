"""What the bot must know again after a restart: JSON objects by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import Connection, select
from sqlalchemy.sql import ClauseElement

from backend.store.journal.compiled import Insert, upsert
from backend.store.journal.mapping import as_json
from backend.store.journal.models import MemoRow


def _replace(insert_memo: Insert) -> ClauseElement:
    return insert_memo.on_conflict_do_update(
        index_elements=["name"], set_={"body": insert_memo.excluded.body}
    )


_PUT = upsert(MemoRow, _replace)


def put(connection: Connection, memos: Mapping[str, Mapping[str, Any]]) -> None:
    """Keep memos in the place of those that had their names."""
    _PUT.run(connection, *({"name": name, "body": as_json(memo)} for name, memo in memos.items()))


def read(connection: Connection, name: str) -> Mapping[str, Any]:
    """Return a memo; an empty one if there never was one of this name."""
    body = connection.execute(select(MemoRow.body).where(MemoRow.name == name)).scalar()
    memo: dict[str, Any] = {} if body is None else orjson.loads(body)
    return memo
