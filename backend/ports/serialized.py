"""SerializedResponse: a JSON response encoded once, when its content changed, and served often."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SerializedResponse:
    """Whole JSON envelope as bytes, with its ETag; its `timestamp` is when the data was read."""

    body: bytes
    etag: str
