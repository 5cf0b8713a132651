"""Models of user administration."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from backend.schemas.auth import Role
from backend.schemas.common import Model, RequestModel
from backend.schemas.profile_fields import NameChange, PersonName, Phone, PhoneChange

USERNAME_PATTERN = r"^[A-Za-z0-9_.@-]{1,64}$"
EMAIL_PATTERN = (
    r"^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}$"
)

Username = Annotated[
    str, Field(pattern=USERNAME_PATTERN, examples=["alice"]), AfterValidator(str.lower)
]
"""A username, converted to lower case."""

Email = Annotated[
    str,
    Field(max_length=254, pattern=EMAIL_PATTERN, examples=["alice@example.org"]),
    AfterValidator(str.lower),
]
"""An ASCII mail address, converted to lower case: equal addresses compare equal."""

NewPassword = Annotated[
    str, Field(min_length=10, max_length=256, examples=["correct horse battery staple"])
]


class NewUser(RequestModel):
    """Someone who will be able to log in."""

    username: Username
    password: NewPassword
    role: Role
    email: Email | None = None
    name: PersonName | None = None
    phone: Phone | None = None
    must_change_password: bool = Field(
        True, description="Whether they have to replace the password at their first login."
    )


class UserChange(RequestModel):
    """What to change; what is left out or null stays as it is."""

    role: Role | None = Field(
        default=None,
        description="A new admin whose password is not known to meet the rules for admins has to "
        "replace it first.",
    )
    disabled: bool | None = Field(default=None, description="Disabling ends all sessions.")
    password: NewPassword | None = Field(
        default=None, description="Ends all sessions, and has to be replaced unless said otherwise."
    )
    must_change_password: bool | None = None
    email: Email | Annotated[str, Field(max_length=0)] | None = Field(
        default=None, description="An empty text removes it."
    )
    name: NameChange | None = Field(default=None, description="An empty text removes it.")
    phone: PhoneChange | None = Field(default=None, description="An empty text removes it.")


class Removal(Model):
    """Who is no more."""

    id: str
