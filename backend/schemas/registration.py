"""Models of registration and password reset by mailed codes."""

from __future__ import annotations

from pydantic import Field

from backend.schemas.common import Model, RequestModel
from backend.schemas.profile_fields import PersonName, Phone, ReferralCode
from backend.schemas.users import Email, NewPassword, Username

_CODE = Field(pattern="^[0-9]{6,8}$", description="From the mail.", examples=["12345678"])


class CodeWish(RequestModel):
    """Where a code is to be sent."""

    email: Email


class CodeSent(Model):
    """The answer to all who ask for a code, whether a mail was sent or not."""

    expires_in: int = Field(description="Seconds that a code works.")


class Registration(RequestModel):
    """A code from a mail, and how the new user will log in."""

    email: Email
    code: str = _CODE
    username: Username
    password: NewPassword
    name: PersonName | None = None
    phone: Phone | None = None
    referral_code: ReferralCode | None = Field(None, description="Of the user who invited them.")


class CodeCheck(RequestModel):
    """A code from a mail, before it is used."""

    email: Email
    code: str = _CODE


class CodeValid(Model):
    """The code is right, and still to be used."""

    valid: bool = True


class PasswordReset(RequestModel):
    """A code from a mail, and the new password."""

    email: Email
    code: str = _CODE
    password: NewPassword


class PasswordWasReset(Model):
    """All sessions have ended; log in with the new password."""

    reset: bool = True
