"""Errors of accounts, sessions and keys: known callers who may not do this, or not yet."""

from __future__ import annotations

from backend.errors.base import ApiError
from backend.errors.requests import AuthenticationFailed, Conflict, Forbidden


class PasswordChangeRequired(Forbidden):
    """The caller must set a password of their own before anything else."""

    type = "password_change_required"


class StepUpRequired(Forbidden):
    """The caller must have proved a moment ago who they are."""

    type = "step_up_required"


class LastAdmin(Conflict):
    """Nobody could administer any more."""

    type = "last_admin"


class InvalidApiKey(AuthenticationFailed):
    """The API key was never made, was revoked or has expired."""

    type = "invalid_api_key"


class AddressNotAllowed(Forbidden):
    """The API key is bound to other networks than the caller's."""

    type = "address_not_allowed"


class SessionRequired(Forbidden):
    """An API key cannot do this: it takes somebody who is logged in."""

    type = "session_required"


class SecondFactorRequired(AuthenticationFailed):
    """The password fits; the login takes a code of the second factor as well."""

    type = "second_factor_required"


class WrongCode(AuthenticationFailed):
    """The second factor's code is wrong, spent or too old."""

    type = "wrong_code"


class InvalidCode(ApiError):
    """The code from the mail is wrong, spent, too old, or was tried too often."""

    status = 400
    type = "invalid_code"


class RegistrationOff(Forbidden):
    """Nobody registers by themselves on this server."""

    type = "registration_off"


class MailOff(Forbidden):
    """This server sends no mail."""

    type = "mail_off"


class MailUnavailable(ApiError):
    """So many mails wait to be sent that no more are taken."""

    status = 503
    type = "mail_unavailable"
