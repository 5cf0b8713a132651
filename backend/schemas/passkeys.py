"""Models of passkeys."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from backend.schemas.common import Model, RequestModel, UtcTime
from backend.schemas.webauthn import CreatedCredential

PasskeyName = Annotated[
    str, Field(min_length=1, max_length=64, examples=["phone"], description="To tell them apart.")
]


class NewPasskey(RequestModel):
    """A passkey that the browser or app has just made."""

    name: PasskeyName
    credential: CreatedCredential


class PasskeyChange(RequestModel):
    """A passkey's new name."""

    name: PasskeyName


class Passkey(Model):
    """A registered passkey."""

    id: str
    name: str
    backed_up: bool = Field(description="Whether it is synchronized to other devices.")
    created_at: UtcTime
    last_used_at: UtcTime | None


class RegisteredPasskey(Model):
    """A passkey that was just registered."""

    passkey: Passkey
    recovery_codes: list[str] | None = Field(
        description="With the first second factor: codes for when it is lost, shown only now."
    )


class PasskeyRemoval(Model):
    """A passkey that was removed, and whether another second factor is in force."""

    id: str
    second_factor: bool
