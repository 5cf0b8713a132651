"""Envelopes made of JSON that is serialised already."""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from backend.schemas.common import time_text, utc_now
from backend.schemas.prepared import Prepared


def prepare(data: bytes, etag: str) -> Prepared:
    """Wrap one object."""
    taken = time_text(utc_now()).encode()
    return Prepared(b'{"success":true,"data":%b,"timestamp":"%b"}' % (data, taken), etag)


def prepare_page(
    items: Iterable[bytes], limit: int, next_cursor: str | None, etag: str
) -> Prepared:
    """Wrap one page of a list."""
    taken = time_text(utc_now()).encode()
    body = b'{"success":true,"data":[%b],"pagination":%b,"timestamp":"%b"}' % (
        b",".join(items),
        orjson.dumps({"limit": limit, "next_cursor": next_cursor}),
        taken,
    )
    return Prepared(body, etag)
