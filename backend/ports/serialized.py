"""A read model: an answer serialised once, when its content changed, and handed out many times."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SerializedResponse:
    """The whole JSON envelope as bytes; its `timestamp` is the moment the model was taken."""

    body: bytes
    etag: str
