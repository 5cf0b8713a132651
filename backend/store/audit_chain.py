"""Hash chain of the audit log: an entry's hash covers the previous hash and its own content.

Changing, removing or inserting an entry breaks the chain there. The last hash is stored
separately, so that removed newest entries are detected too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

BEGINNING = "0" * 64
_CONTENT = (
    "occurred_at",
    "action",
    "user_id",
    "username",
    "address",
    "method",
    "path",
    "status",
    "outcome",
    "request_id",
    "change",
)


def link(previous: str, entry: Mapping[str, Any]) -> str:
    """Return the hash of a stored entry that follows the one with hash `previous`."""
    content = json.dumps([previous, *(_plain(entry[name]) for name in _CONTENT)])
    return hashlib.sha256(content.encode("ascii")).hexdigest()


def _plain(value: Any) -> Any:  # noqa: ANN401 - a column's value
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).isoformat(timespec="microseconds")
    return value
