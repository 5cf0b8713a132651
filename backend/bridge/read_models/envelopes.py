"""Response envelopes around JSON that is serialized already, and their ETags."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import orjson

from backend.ports.serialized import SerializedResponse
from backend.schemas.common import time_text, utc_now


def serialize(data: bytes, etag: str) -> SerializedResponse:
    """Return one object in its envelope."""
    taken = time_text(utc_now()).encode()
    return SerializedResponse(b'{"success":true,"data":%b,"timestamp":"%b"}' % (data, taken), etag)


def serialize_page(
    items: Iterable[bytes], limit: int, next_cursor: str | None
) -> SerializedResponse:
    """Wrap one page of a list; its ETag stays the same while its content does."""
    taken = time_text(utc_now()).encode()
    pagination = orjson.dumps({"limit": limit, "next_cursor": next_cursor})
    content = b'"data":[%b],"pagination":%b' % (b",".join(items), pagination)
    body = b'{"success":true,%b,"timestamp":"%b"}' % (content, taken)
    return SerializedResponse(body, etag_of(content))


def etag_of(content: bytes) -> str:
    """Return the ETag of a content: a hash, the same at any time and after a restart."""
    return f'"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'
