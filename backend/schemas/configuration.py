"""Models of OctoBot's configuration, as far as it may be read and changed."""

from __future__ import annotations

from typing import Any

from pydantic import RootModel


class ConfigDocument(RootModel[dict[str, Any]]):
    """`config` and `profile` as OctoBot keeps them, secrets masked."""


class ConfigPatch(RootModel[dict[str, Any]]):
    """A JSON merge patch (RFC 7396) of the same document."""
