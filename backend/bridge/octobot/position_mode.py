"""Position mode of a real futures account: one-way, or hedged with long and short apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ccxt


async def is_hedged(client: Any, symbols: Sequence[str]) -> bool:
    """Return whether a ccxt client's account is in hedge mode, as far as the exchange tells it.

    Some exchanges tell it of the account, others only with an open position.
    """
    try:
        if client.has.get("fetchPositionMode"):
            return bool((await client.fetch_position_mode(symbols[0])).get("hedged"))
        rows = await client.fetch_positions(list(symbols))
    except ccxt.BaseError:
        return False  # what cannot be asked is told later, with the positions
    return any(row.get("hedged") and row.get("contracts") for row in rows)
