"""How a position is kept: as JSON values that lose no digit."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from backend.accounting.stakes import Stake


def body_of(stake: Stake) -> dict[str, Any]:
    """Return a position as JSON values."""
    return {
        "quantity": str(stake.quantity),
        "cost": str(stake.cost),
        "realized": str(stake.realized),
        "leverage": str(stake.leverage),
        "margin_mode": stake.margin_mode,
        "opened_at": _text(stake.opened_at),
        "funded_at": _text(stake.funded_at),
    }


def stake_from(body: Mapping[str, Any]) -> Stake:
    """Read what `body_of` wrote."""
    return Stake(
        quantity=Decimal(body["quantity"]),
        cost=Decimal(body["cost"]),
        realized=Decimal(body["realized"]),
        leverage=Decimal(body["leverage"]),
        margin_mode=body["margin_mode"],
        opened_at=_time(body["opened_at"]),
        funded_at=_time(body["funded_at"]),
    )


def _text(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
