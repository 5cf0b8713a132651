"""Identity service: login, token refresh, logout, and checks of tokens and API keys."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from backend.client_networks import network_of
from backend.concurrency.host import Host
from backend.errors import (
    Conflict,
    FieldError,
    InvalidCredentials,
    InvalidToken,
    ValidationFailed,
)
from backend.identity.api_keys import ApiKeys
from backend.identity.device_tokens import DeviceTokens
from backend.identity.email_codes import EmailCodes
from backend.identity.oidc import OidcSignIn
from backend.identity.passkeys import Passkeys
from backend.identity.passwords import Passwords, fits_admin, require_strong
from backend.identity.principal import Principal
from backend.identity.profiles import Profiles
from backend.identity.relying_party import relying_party
from backend.identity.second_factor import SecondFactors
from backend.identity.second_factor_proof import SecondFactorProof
from backend.identity.session_issuer import SessionIssuer, VerifiedLogin
from backend.identity.sessions import Sessions
from backend.identity.signing_keys import signing_keys
from backend.identity.store_sync import StoreSync
from backend.identity.token_rotation import TokenRotation
from backend.identity.token_status import CLOCK_ERROR, MAX_TOKEN_LIFETIME
from backend.identity.tokens import AccessTokens, hash_refresh_token
from backend.identity.user_view import user_view
from backend.identity.users import USERNAME, Users
from backend.schemas.auth import AccessToken, Proof, Tokens
from backend.schemas.common import utc_now
from backend.schemas.oidc import SignIn
from backend.schemas.webauthn import PasskeyAssertion
from backend.settings.model import Settings
from backend.store import Database, login_networks, models, refresh_tokens, sessions, users
from backend.store.encryption import Cipher
from backend.store.refresh_tokens import NO_DEVICE, Device

STEP_UP_S = 300
"""The time after a verified password or code in which step-up-protected routes may be called."""


class Identity:
    """Authentication and the users of one app. All methods may be called from any thread."""

    def __init__(self, settings: Settings, database: Database, host: Host) -> None:
        self._database = database
        self._second_factor_roles = frozenset(settings.require_second_factor)
        self._passwords = Passwords(host)
        keys = signing_keys(settings)
        self._tokens = AccessTokens(keys, settings.token_expiry)
        self.device_tokens = DeviceTokens(keys)
        self._sync = StoreSync(database)
        self._token_status = self._sync.token_status
        self._rotation = TokenRotation(settings, keys, database, self._token_status)
        self._issuer = SessionIssuer(
            database, self._tokens, self._rotation, self._token_status, self.device_tokens
        )
        self.users = Users(database, self._passwords, self._sync)
        self.profiles = Profiles(self._sync)
        self.sessions = Sessions(database, self._sync)
        self.api_keys = ApiKeys(database, self._sync)
        self.second_factors = SecondFactors(
            database, self._sync, Cipher(settings), self._passwords, self._second_factor_roles
        )
        party = relying_party(settings)
        self.passkeys = Passkeys(database, self._sync, party, self.second_factors)
        self._second_factor_proof = SecondFactorProof(self.second_factors, self.passkeys)
        self.oidc = OidcSignIn(settings, host, database, self._sync, self._passwords)
        self.email_codes = EmailCodes(settings, database, self._passwords, self._sync, keys[0])
        database.write(sessions.delete_expired, utc_now() - MAX_TOKEN_LIFETIME - CLOCK_ERROR)
        self._sync.start()

    def login(
        self,
        username: str,
        password: str,
        address: str,
        user_agent: str,
        code: str | None = None,
        passkey: PasskeyAssertion | None = None,
        device: Device = NO_DEVICE,
    ) -> Tokens:
        """Open a session; raises `InvalidCredentials`, after the same time for every cause.

        Where a second factor is in force, the right password alone raises
        `SecondFactorRequired`, and with a wrong one `WrongCode` or `WrongPasskey`.
        """
        user = self._find_user(username)
        matches = self._passwords.verify(user.password_hash if user else None, password)
        if user is None or not matches:
            raise InvalidCredentials(username=user.username if user else _masked(username))
        self._second_factor_proof.require_at_login(user, code, passkey)
        rehashed = None
        if self._passwords.needs_rehash(user.password_hash):
            rehashed = self._passwords.hash(password)
        fits = user.password_fits_admin or fits_admin(password, user.username)
        opened = VerifiedLogin(user, address, user_agent, device, rehashed, fits)
        return self._issuer.open(opened, fresh=True)

    def sign_in_with_provider(self, sign_in: SignIn, address: str, user_agent: str) -> Tokens:
        """Open a session for a user that the OpenID provider vouches for.

        Raises what `OidcSignIn.find_user` does, `InvalidCredentials` for a disabled user, and
        what `login` does where a second factor is in force.
        """
        vouched = self.oidc.find_user(sign_in, timedelta(seconds=STEP_UP_S))
        user = vouched.user
        if user.disabled_at is not None:
            raise InvalidCredentials("the account is disabled", username=user.username)
        self._second_factor_proof.require_at_login(user, sign_in.code, sign_in.passkey)
        self.oidc.spend(vouched.digest)
        opened = VerifiedLogin(user, address, user_agent)
        return self._issuer.open(opened, fresh=user.second_factor or vouched.is_fresh)

    def refresh(self, refresh_token: str, address: str, user_agent: str) -> Tokens:
        """Rotate a refresh token: exchange it for new tokens.

        Within the grace one that was rotated gives the same successor again, while that is
        unused. Raises `TokenReused` for it otherwise, and revokes its session; `TokenExpired` or
        `InvalidToken` for one that is not valid.
        """
        renewed = self._rotation.rotate(refresh_token, address, user_agent)
        return self._issuer.grant(
            renewed.user, renewed.session_id, renewed.refresh_token, fresh=False
        )

    def logout(
        self, principal: Principal, refresh_token: str | None, *, everywhere: bool = False
    ) -> Literal["token", "session", "everything"]:
        """Revoke the caller's access token and, given one of their refresh tokens, its session.

        Returns what was revoked. A refresh token that is unknown or another user's is
        ignored: the caller is logged out all the same.
        """
        now = utc_now()
        session_id = self._database.write(
            sessions.end,
            principal.token_id,
            principal.expires_at,
            user_id=principal.user_id,
            digest=hash_refresh_token(refresh_token) if refresh_token else None,
            at=now,
        )
        self._token_status.revoke([(principal.token_id, principal.expires_at)])
        if everywhere:
            self.sessions.revoke_all(principal.user_id)
            return "everything"
        if session_id is None:
            return "token"
        self._token_status.revoke_sessions([(session_id, now)])
        return "session"

    def verify_access_token(self, access_token: str) -> Principal:
        """Return the bearer of an access token; raises `TokenExpired` or `InvalidToken`."""
        principal = self._tokens.verify(access_token)
        if not self._token_status.is_valid(principal):
            raise InvalidToken("the token was revoked", username=principal.username)
        return principal

    def record_use(self, principal: Principal, address: str) -> None:
        """Record the time and address of a principal's last request."""
        self._sync.last_used.record(principal, address)

    def is_active(self, principal: Principal) -> bool:
        """Return whether a principal is still authenticated."""
        return principal.expires_at > utc_now() and self._token_status.is_valid(principal)

    def may_stream(self, principal: Principal) -> bool:
        """Return whether a principal's open streams may go on; cheap enough to poll.

        They may not once something has to be done before anything else: setting another
        password, or the second factor that their role needs.
        """
        return (
            self.is_active(principal)
            and not self.must_change_password(principal)
            and not self.must_enroll_second_factor(principal)
        )

    def must_change_password(self, principal: Principal) -> bool:
        """Return whether a principal has to change their password before anything else."""
        return self._token_status.must_change_password(principal)

    def must_enroll_second_factor(self, principal: Principal) -> bool:
        """Return whether a principal's role needs a second factor that they have not set up."""
        if principal.role not in self._second_factor_roles:
            return False
        user = self._token_status.user(principal.user_id)
        return user is not None and not user.second_factor

    def has_stepped_up(self, principal: Principal) -> bool:
        """Return whether a principal's password or code was verified within `STEP_UP_S`."""
        at = principal.authenticated_at
        # absolute: a clock that was set back must not prolong it
        return at is not None and abs(utc_now() - at) < timedelta(seconds=STEP_UP_S)

    def step_up(self, principal: Principal, proof: Proof) -> AccessToken:
        """Issue a fresh access token of the same session.

        Verifies a code or a passkey where a second factor is enabled, the password otherwise.
        """
        user = self._database.read(users.get, principal.user_id)
        if user is None:
            raise InvalidToken
        if user.second_factor:
            self._second_factor_proof.require_at_step_up(
                user, principal.session_id, proof.code, proof.passkey
            )
        elif proof.password is None or not self._passwords.verify(
            user.password_hash, proof.password
        ):
            raise _invalid_field("password", "is not the present password")
        return AccessToken(
            access_token=self._tokens.issue(user_view(user), principal.session_id, fresh=True),
            expires_in=self._tokens.lifetime_s,
        )

    def knows_network(self, username: str, address: str) -> bool:
        """Return whether a user of this name has logged in from an address's network before."""
        name, network = username.lower(), network_of(address)
        return bool(USERNAME.fullmatch(name)) and self._database.read(
            login_networks.is_known, name, network, utc_now()
        )

    def change_password(
        self,
        principal: Principal,
        current: str,
        new: str,
        address: str,
        user_agent: str,
    ) -> Tokens:
        """Change the caller's password, revoke all their sessions and open a new one."""
        user = self._database.read(users.get, principal.user_id)
        if user is None or not self._passwords.verify(user.password_hash, current):
            raise _invalid_field("current_password", "is not the present password")
        if current == new:
            raise _invalid_field("new_password", "must differ from the present password")
        require_strong("new_password", new, user.username, user.role)
        hashed = self._passwords.hash(new)
        device = self._database.read(refresh_tokens.device_of, principal.session_id)
        refresh_token, stored = self._rotation.issue(
            address, user_agent, user.role, remembered=device.remembered
        )
        replacement = sessions.PasswordReplacement(
            hashed, fits_admin(new, user.username), stored, device
        )
        changed = self._sync.change(sessions.replace_password, user, replacement)
        if changed is None:
            raise Conflict("the password was changed meanwhile")
        renewed, session_id = changed
        return self._issuer.grant(renewed, session_id, refresh_token, fresh=not user.second_factor)

    def close(self) -> None:
        """Stop the threads."""
        self.email_codes.close()
        self._sync.close()
        self._passwords.close()

    def _find_user(self, username: str) -> models.User | None:
        name = username.lower()
        return self._database.read(users.find_by_name, name) if USERNAME.fullmatch(name) else None


def _masked(username: str) -> str:
    """Mask an unknown username: it may be a password typed into the wrong field."""
    return f"{username[:1]}***"


def _invalid_field(field: str, message: str) -> ValidationFailed:
    return ValidationFailed(fields=[FieldError(field, message)])
