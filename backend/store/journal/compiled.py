"""SQL statements compiled once and run by the driver, for the journal's hot path.

Executed by SQLAlchemy they would cost several times what SQLite needs for the work.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple, cast

from sqlalchemy import Connection, Dialect
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

from backend.store.models import Base

Insert = sqlite.Insert | postgresql.Insert
Values = Mapping[str, Any]


class CompiledStatement:
    """One statement in the dialect of each database; raises the driver's own errors.

    `columns` are those that an insert fills, by default all of the table.
    """

    def __init__(
        self, by_dialect: Mapping[str, ClauseElement], columns: Collection[str] | None = None
    ) -> None:
        self._by_dialect = by_dialect
        self._columns = None if columns is None else list(columns)
        self._compiled: dict[str, _Compiled] = {}

    def run(self, connection: Connection, *rows: Values) -> int:
        """Run the statement for each row of values; returns the number of affected rows."""
        if not rows:
            return 0
        compiled = self._for(connection.dialect)
        cursor = connection.connection.cursor()
        if len(rows) == 1:
            cursor.execute(compiled.text, compiled.bind(rows[0]))
        else:
            cursor.executemany(compiled.text, [compiled.bind(row) for row in rows])
        return cursor.rowcount

    def fetch(self, connection: Connection, values: Values) -> list[Any]:
        """Run the statement and return its rows, with values as the driver reads them."""
        compiled = self._for(connection.dialect)
        cursor = connection.connection.cursor()
        cursor.execute(compiled.text, compiled.bind(values))
        return list(cursor.fetchall())

    def _for(self, dialect: Dialect) -> _Compiled:
        if dialect.name not in self._compiled:
            statement = self._by_dialect[dialect.name]
            self._compiled[dialect.name] = _compile(statement, self._columns, dialect)
        return self._compiled[dialect.name]


class _Compiled(NamedTuple):
    text: str
    constants: Values
    conversions: Collection[tuple[str, Callable[[Any], Any]]]

    def bind(self, values: Values) -> Values:
        """Convert the values to the driver's types."""
        bound = {**self.constants, **values}
        for name, convert in self.conversions:
            bound[name] = convert(bound[name])
        return bound


def _compile(statement: ClauseElement, columns: list[str] | None, dialect: Dialect) -> _Compiled:
    named = sqlite.dialect(paramstyle="named") if dialect.name == "sqlite" else dialect
    compiled = cast(SQLCompiler, statement.compile(dialect=named, column_keys=columns))
    constants: dict[str, Any] = {}
    conversions = []
    for bound, name in compiled.bind_names.items():
        if not bound.required:
            constants[name] = bound.value
        convert = bound.type.dialect_impl(dialect).bind_processor(dialect)
        if convert is not None:
            conversions.append((name, convert))
    return _Compiled(compiled.string, constants, conversions)


def portable(statement: ClauseElement, columns: Collection[str] | None = None) -> CompiledStatement:
    """Prepare a statement that is the same in both dialects."""
    return CompiledStatement({"sqlite": statement, "postgresql": statement}, columns)


def upsert(table: type[Base], complete: Callable[[Insert], ClauseElement]) -> CompiledStatement:
    """Prepare an insert that `complete` extends with its conflict clause."""
    return CompiledStatement(
        {
            "sqlite": complete(sqlite.insert(table)),
            "postgresql": complete(postgresql.insert(table)),
        }
    )


def insert_or_ignore(table: type[Base]) -> CompiledStatement:
    """Prepare an insert that leaves an existing row unchanged, and then affects no row."""
    return upsert(table, lambda insert: insert.on_conflict_do_nothing())
