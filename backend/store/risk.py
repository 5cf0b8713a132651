"""Queries on risk limits that override the settings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from backend.store.account_models import RiskLimit


def get_limits(session: Session) -> dict[str, str]:
    """Return the overriding limits, as JSON by name."""
    rows = session.execute(select(RiskLimit.name, RiskLimit.value))
    return {row.name: row.value for row in rows}


def update_limits(
    session: Session, values: Mapping[str, str | None], at: datetime
) -> dict[str, str]:
    """Upsert limits (JSON by name), delete those that are None, and return the remaining ones."""
    for name, value in values.items():
        if value is None:
            session.execute(delete(RiskLimit).where(RiskLimit.name == name))
        else:
            session.merge(RiskLimit(name=name, value=value, changed_at=at))
    session.flush()
    return get_limits(session)
