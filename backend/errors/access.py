"""Errors of users, sessions, API keys and mailed codes."""

from __future__ import annotations

from backend.errors.base import ApiError
from backend.errors.requests import AuthenticationFailed, Conflict, Forbidden


class PasswordChangeRequired(Forbidden):
    """The caller must set a password of their own before anything else."""

    type = "password_change_required"


class SecondFactorEnrolmentRequired(Forbidden):
    """The caller's role needs a second factor: they must set one up before anything else."""

    type = "second_factor_enrolment_required"


class StepUpRequired(Forbidden):
    """The route requires a recent step-up: a password or code verified within minutes."""

    type = "step_up_required"


class LastAdmin(Conflict):
    """The change would remove the last enabled admin."""

    type = "last_admin"


class LastSecondFactor(Conflict):
    """The change would remove the last second factor of a user whose role needs one."""

    type = "last_second_factor"


class InvalidApiKey(AuthenticationFailed):
    """The API key does not exist, was revoked or has expired."""

    type = "invalid_api_key"


class AddressNotAllowed(Forbidden):
    """The API key is restricted to other networks than the caller's."""

    type = "address_not_allowed"


class SessionRequired(Forbidden):
    """The route requires a login session; an API key is not accepted."""

    type = "session_required"


class SecondFactorRequired(AuthenticationFailed):
    """The password matches; the login requires the second factor as well.

    `second_factor` says which kinds are set up, with a passkey's challenge.
    """

    type = "second_factor_required"

    def __init__(self, details: str, second_factor: object, *, username: str) -> None:
        super().__init__(details, username=username)
        self.extensions = {"second_factor": second_factor}


class WrongPasskey(AuthenticationFailed):
    """The passkey's response is to another challenge, from another origin, or not its own."""

    type = "wrong_passkey"


class PasskeysOff(Forbidden):
    """This server has no passkeys: in production they take `BACKEND_PASSKEY_RP_ID`."""

    type = "passkeys_off"


class WrongCode(AuthenticationFailed):
    """The second factor's code is wrong, used or expired."""

    type = "wrong_code"


class OidcOff(Forbidden):
    """This server has no OpenID provider to sign in with."""

    type = "oidc_off"


class ProviderUnavailable(ApiError):
    """The OpenID provider does not answer, or not as it has to."""

    status = 503
    type = "provider_unavailable"


class SignInFailed(ApiError):
    """The sign-in was not begun here, was finished already, took too long or was refused."""

    status = 400
    type = "sign_in_failed"


class InvalidIdToken(AuthenticationFailed):
    """The ID token is not the provider's, not for this server, or not for this sign-in."""

    type = "invalid_id_token"


class EmailNotVerified(Forbidden):
    """The provider has not verified the address, so that it proves nothing."""

    type = "email_not_verified"


class AccountNotLinked(Conflict):
    """A user has this address, who has not shown that it is theirs."""

    type = "account_not_linked"


class InvalidCode(ApiError):
    """The mailed code is wrong, used, expired, or was tried too often."""

    status = 400
    type = "invalid_code"


class UnknownReferralCode(ApiError):
    """No user has this referral code."""

    status = 422
    type = "unknown_referral_code"


class RegistrationOff(Forbidden):
    """Registration is disabled on this server."""

    type = "registration_off"


class MailOff(Forbidden):
    """This server sends no mail."""

    type = "mail_off"


class MailUnavailable(ApiError):
    """The queue of mails to send is full."""

    status = 503
    type = "mail_unavailable"
