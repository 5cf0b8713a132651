"""Inserts that mind what is there already: one statement, spelled for each database."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import Executable
from sqlalchemy.dialects import postgresql, sqlite

from backend.store.models import Base

Insert = sqlite.Insert | postgresql.Insert


def for_each_database(
    table: type[Base], complete: Callable[[Insert], Executable]
) -> Mapping[str, Executable]:
    """Complete an insert into a table for each database; keys are the names of dialects."""
    return {
        "sqlite": complete(sqlite.insert(table)),
        "postgresql": complete(postgresql.insert(table)),
    }


def unless_there(table: type[Base]) -> Mapping[str, Executable]:
    """Return inserts that change nothing when the row is there; the row count tells."""
    return for_each_database(table, lambda insert: insert.on_conflict_do_nothing())
