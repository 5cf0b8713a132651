"""Where things stand in lists that show the newest first."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple


class Place(NamedTuple):
    """When something was made, and its id: no two stand in one place."""

    created_at: datetime
    id: str
