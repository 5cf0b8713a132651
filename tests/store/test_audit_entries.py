"""The stored audit: newest first, and nothing in it ever changes."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, update
from sqlalchemy.exc import DBAPIError

from backend.store import Database, audit
from backend.store.models import AuditEntry
from tests.store.test_types import ENTRY


def test_entries_come_newest_first_and_in_pages(database: Database) -> None:
    numbered = [ENTRY._replace(request_id=f"r{number}") for number in range(5)]
    database.write(audit.append, numbered)
    first = database.read(audit.newest, 3)
    rest = database.read(audit.newest, 3, first[-1].id)
    assert [entry.request_id for entry in first] == ["r4", "r3", "r2"]
    assert [entry.request_id for entry in rest] == ["r1", "r0"]


@pytest.mark.parametrize("change", [update(AuditEntry).values(status=200), delete(AuditEntry)])
def test_an_entry_can_neither_be_changed_nor_deleted(database: Database, change) -> None:
    database.write(audit.append, [ENTRY])
    with pytest.raises(DBAPIError, match="append-only"):
        database.write(lambda session: session.execute(change))
    assert [entry.status for entry in database.read(audit.newest, 10)] == [201]
