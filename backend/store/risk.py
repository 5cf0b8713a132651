"""Risk limits that were set in the place of the settings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from backend.store.models import RiskLimit


def changed(session: Session) -> dict[str, str]:
    """Return the limits that were set, as JSON by name."""
    rows = session.execute(select(RiskLimit.name, RiskLimit.value))
    return {row.name: row.value for row in rows}


def change(session: Session, values: Mapping[str, str | None], at: datetime) -> dict[str, str]:
    """Set limits (JSON by name), forget those that are None, and return all that are set then."""
    for name, value in values.items():
        if value is None:
            session.execute(delete(RiskLimit).where(RiskLimit.name == name))
        else:
            session.merge(RiskLimit(name=name, value=value, changed_at=at))
    session.flush()
    return changed(session)
