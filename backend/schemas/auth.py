"""Models of login, tokens and the caller's own account."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from backend.schemas.common import Model, RequestModel, UtcTime
from backend.schemas.profile_fields import DeviceName, NameChange, PhoneChange
from backend.schemas.webauthn import PasskeyAssertion

Role = Literal["viewer", "trader", "admin"]
UserStatus = Literal["active", "disabled"]
Scope = Literal[
    "portfolio:read",
    "orders:read",
    "orders:write",
    "trades:read",
    "markets:read",
    "config:read",
    "config:write",
    "credentials:read",
    "credentials:write",
    "bot:read",
    "bot:write",
    "stream:read",
    "users:read",
    "users:write",
    "audit:read",
    "logs:read",
]


class Login(RequestModel):
    """Credentials."""

    username: str = Field(min_length=1, max_length=64, examples=["admin"])
    password: str = Field(min_length=1, max_length=256, examples=["correct horse battery staple"])
    code: str | None = Field(
        None,
        min_length=6,
        max_length=32,
        description="Of the app, or a recovery code, where a second factor is in force.",
    )
    passkey: PasskeyAssertion | None = Field(
        None, description="In its place: the response to the challenge of the first answer."
    )
    device_token: str | None = Field(
        None,
        max_length=128,
        description="Of an earlier login of this user on this device. Guesses of others at the"
        " password then hold this login up no longer.",
    )
    device_name: DeviceName | None = Field(
        None, description="Shown in the list of sessions, in place of what the browser says."
    )
    remember: bool = Field(
        False,
        description="Keep the session for `BACKEND_REMEMBER_EXPIRY` (30 days) instead of "
        "`BACKEND_REFRESH_EXPIRY` after each refresh; of admins 7 days at most.",
    )


class Refresh(RequestModel):
    """The refresh token of the last login or refresh."""

    refresh_token: str = Field(min_length=1, max_length=512)


class Logout(RequestModel):
    """Optionally the refresh token, so that its whole family ends too; or everything."""

    refresh_token: str | None = Field(None, min_length=1, max_length=512)
    everywhere: bool = Field(False, description="End all sessions of the account.")


class SessionEnd(Model):
    """What a logout ended: the access token, the session with all its tokens, or all sessions."""

    ended: Literal["token", "session", "everything"]


class Proof(RequestModel):
    """What shows that the caller is still who logged in.

    The password, or where a second factor is set up a code or a passkey.
    """

    password: str | None = Field(None, min_length=1, max_length=256)
    code: str | None = Field(None, min_length=6, max_length=32)
    passkey: PasskeyAssertion | None = Field(
        None, description="The response to a challenge of `POST /auth/step-up/options`."
    )


class Code(RequestModel):
    """A code that an app shows."""

    code: str = Field(pattern="^[0-9]{6}$", examples=["123456"])


class Enrolment(Model):
    """What an app needs in order to show codes."""

    secret: str = Field(description="To be typed into the app.")
    uri: str = Field(description="The same as an `otpauth://` address, to be shown as a QR code.")


class RecoveryCodes(Model):
    """Codes that work once each in the place of the app's; they are not shown again."""

    recovery_codes: list[str]


class SecondFactorState(Model):
    """Whether logging in takes a second factor."""

    second_factor: bool


class PasswordChange(RequestModel):
    """The present password and the one to come."""

    current_password: str = Field(min_length=1, max_length=256)
    new_password: str = Field(
        min_length=10, max_length=256, examples=["correct horse battery staple"]
    )


class User(Model):
    """A person or program that may log in."""

    id: str
    username: str
    role: Role
    scopes: list[str]
    email: str | None
    name: str | None = Field(examples=["Ada Lovelace"])
    phone: str | None = Field(
        description="In E.164's form; nothing is sent to it.", examples=["+493012345678"]
    )
    status: UserStatus
    disabled: bool
    is_admin: bool = Field(description="Whether the role is `admin`.")
    referral_code: str = Field(
        description="Names this user when others register.", examples=["abcd2345efgh"]
    )
    invited_by: str | None = Field(
        description="The id of the user whose referral code they registered with."
    )
    must_change_password: bool = Field(
        description="Whether nothing works for them until they set a password of their own."
    )
    second_factor: bool = Field(description="Whether their login takes a code or passkey as well.")
    created_at: UtcTime


class CurrentUser(User):
    """The caller's own user."""

    referrals: int = Field(description="How many users registered with the caller's code.")


class ProfileChange(RequestModel):
    """What to change of one's own profile; what is left out or null stays as it is."""

    name: NameChange | None = Field(None, description="An empty text removes it.")
    phone: PhoneChange | None = Field(None, description="An empty text removes it.")


class OpenSession(Model):
    """One login on one device."""

    id: str
    device: str = Field(
        description="The name given at login, else the browser and system.",
        examples=["Firefox on Linux"],
    )
    remembered: bool = Field(description="Whether the login asked to be remembered.")
    address: str = Field(description="Where it was last used from.", examples=["203.0.113.9"])
    current: bool = Field(description="Whether this is the session that asks.")
    created_at: UtcTime
    last_used_at: UtcTime
    expires_at: UtcTime = Field(description="When it ends unless it is refreshed.")


class AccessToken(Model):
    """An access token of the present session."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the name of the scheme
    expires_in: int = Field(description="Seconds until the access token expires.")


class Tokens(Model):
    """What a login or refresh gives."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the name of the scheme
    expires_in: int = Field(description="Seconds until the access token expires.")
    refresh_token: str
    device_token: str | None = Field(
        description="To keep on this device, also after a logout, and to send with the next login."
        " It opens nothing by itself. Null in the answer to a refresh."
    )
    user: User
