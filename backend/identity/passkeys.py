"""Passkeys (WebAuthn credentials): registered, listed, removed, and used as a second factor."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

import structlog
from sqlalchemy.exc import IntegrityError

from backend.errors import Conflict, FieldError, NotFound, PasskeysOff, ValidationFailed
from backend.identity.principal import Principal
from backend.identity.relying_party import NAME, RelyingParty
from backend.identity.second_factor import SecondFactors
from backend.identity.store_sync import StoreSync
from backend.identity.webauthn_responses import (
    ALGORITHMS,
    WrongResponse,
    challenge_of,
    verify_assertion,
    verify_registration,
)
from backend.pagination import decode_row_cursor, make_page
from backend.schemas.common import Page, PageQuery, utc_now
from backend.schemas.passkeys import NewPasskey, Passkey, PasskeyRemoval, RegisteredPasskey
from backend.schemas.webauthn import (
    KeyType,
    KnownCredential,
    PasskeyAssertion,
    PasskeyCreationOptions,
    PasskeyRequestOptions,
    RelyingPartyEntity,
    UserEntity,
)
from backend.store import Database, passkey_models, passkeys, users
from backend.store.passkeys import LIFETIME, MOST_PER_USER, Challenge, Purpose, Refusal

_LIST = "passkeys"
_TIMEOUT_MS = int(LIFETIME.total_seconds() * 1000)
_TRANSPORTS = frozenset({"usb", "nfc", "ble", "smart-card", "internal", "cable", "hybrid"})
_REFUSALS: dict[Refusal, str] = {
    "unknown_challenge": "answers no challenge that was issued for this, or one that was used"
    " or has expired",
    "unknown_passkey": "is not registered for this user",
    "wrong": "cannot be read, or does not verify",
    "copied": "has a counter that did not grow: it may have been copied",
}
_log = structlog.get_logger(__name__)


class Passkeys:
    """Registers, verifies and removes passkeys. All methods may be called from any thread.

    Methods raise `PasskeysOff` where the server has no relying party.
    """

    def __init__(
        self,
        database: Database,
        store_sync: StoreSync,
        party: RelyingParty | None,
        second_factors: SecondFactors,
    ) -> None:
        self._database = database
        self._sync = store_sync
        self._known_party = party
        self._second_factors = second_factors

    def creation_options(self, principal: Principal) -> PasskeyCreationOptions:
        """Return a challenge to make a passkey with, for the principal's session."""
        party = self._party()
        known = self._known(principal.user_id)
        return PasskeyCreationOptions(
            rp=RelyingPartyEntity(id=party.id, name=NAME),
            user=UserEntity(
                id=_encode(principal.user_id.encode()),
                name=principal.username,
                displayName=principal.username,
            ),
            challenge=self._issue(principal.user_id, "register", principal.session_id),
            pubKeyCredParams=[KeyType(alg=int(algorithm)) for algorithm in ALGORITHMS],
            timeout=_TIMEOUT_MS,
            excludeCredentials=known,
        )

    def register(self, principal: Principal, new: NewPasskey) -> RegisteredPasskey:
        """Register a passkey that was made for a challenge of the principal's session.

        The first second factor of a user comes with recovery codes. Raises `ValidationFailed`
        for a response that does not verify, and `Conflict` for one that is registered already
        or one too many.
        """
        party, user_id = self._party(), principal.user_id
        try:
            challenge = challenge_of(new.credential, party)
            taken = _challenge(challenge, user_id, "register", principal.session_id)
            if not self._database.write(passkeys.take, taken, utc_now()):
                raise WrongResponse(_REFUSALS["unknown_challenge"])
            made = verify_registration(new.credential, challenge, party)
        except WrongResponse as error:
            raise ValidationFailed(fields=[FieldError("credential", str(error))]) from None
        codes, digests = self._recovery_codes(user_id)
        values = passkeys.NewPasskey(
            user_id=user_id,
            credential_id=made.credential_id,
            public_key=made.public_key,
            sign_count=made.sign_count,
            transports=" ".join(
                sorted(_TRANSPORTS.intersection(new.credential.response.transports))
            ),
            name=new.name,
            backed_up=made.backed_up,
            created_at=utc_now(),
        )
        try:
            stored = self._sync.change(passkeys.insert, values, digests)
        except IntegrityError:
            raise Conflict("this passkey is registered already") from None
        if stored is None:
            raise Conflict(f"a user has at most {MOST_PER_USER} passkeys; or try again")
        return RegisteredPasskey(passkey=_view(stored), recovery_codes=codes or None)

    def page(self, user_id: str, query: PageQuery) -> Page[Passkey]:
        """Return a page of a user's passkeys, newest first."""
        before = decode_row_cursor(_LIST, query.cursor)
        rows = self._database.read(passkeys.list_page, user_id, query.limit + 1, before)
        return make_page(_LIST, rows, query, _view)

    def rename(self, user_id: str, passkey_id: str, name: str) -> Passkey:
        """Rename a user's passkey; raises `NotFound` for another user's."""
        renamed = self._database.write(passkeys.rename, passkey_id, user_id, name)
        if renamed is None:
            raise NotFound("no such passkey")
        return _view(renamed)

    def remove(self, user_id: str, passkey_id: str) -> PasskeyRemoval:
        """Remove a user's passkey; raises `NotFound` for another user's, and `LastSecondFactor`."""
        user = self._sync.change(
            passkeys.remove, passkey_id, user_id, self._second_factors.demanding
        )
        if user is None:
            raise NotFound("no such passkey")
        return PasskeyRemoval(id=passkey_id, second_factor=user.second_factor)

    def step_up_options(self, principal: Principal) -> PasskeyRequestOptions:
        """Return a challenge for a step-up in the principal's session; raises `Conflict`."""
        options = self._request_options(principal.user_id, "step-up", principal.session_id)
        if options is None:
            raise Conflict("no passkey is registered")
        return options

    def login_options(self, user_id: str) -> PasskeyRequestOptions | None:
        """Return a challenge for a login; None without passkeys of the user or the server."""
        if self._known_party is None:
            return None
        return self._request_options(user_id, "login", "")

    def verify(
        self, user_id: str, assertion: PasskeyAssertion, purpose: Purpose, session_id: str = ""
    ) -> str | None:
        """Spend the challenge of an assertion and verify it; return why it is refused."""
        party = self._party()
        try:
            challenge = challenge_of(assertion, party)
        except WrongResponse as error:
            return str(error)

        def check(passkey: passkey_models.Passkey) -> int | None:
            try:
                return verify_assertion(
                    assertion,
                    challenge,
                    party,
                    passkey.public_key,
                    require_user_verification=purpose != "login",
                )
            except WrongResponse:
                return None

        handle = assertion.response.userHandle
        if handle and not hmac.compare_digest(handle, _encode(user_id.encode())):
            return _REFUSALS["unknown_passkey"]
        spent = _challenge(challenge, user_id, purpose, session_id)
        refusal = self._database.write(passkeys.use, spent, assertion.id, check, utc_now())
        if refusal == "copied":
            _log.warning("a passkey's counter did not grow: it may have been copied", user=user_id)
        return None if refusal is None else _REFUSALS[refusal]

    def _request_options(
        self, user_id: str, purpose: Purpose, session_id: str
    ) -> PasskeyRequestOptions | None:
        party, known = self._party(), self._known(user_id)
        if not known:
            return None
        return PasskeyRequestOptions(
            challenge=self._issue(user_id, purpose, session_id),
            timeout=_TIMEOUT_MS,
            rpId=party.id,
            allowCredentials=known,
            userVerification="preferred" if purpose == "login" else "required",
        )

    def _party(self) -> RelyingParty:
        if self._known_party is None:
            raise PasskeysOff("passkeys take BACKEND_PASSKEY_RP_ID on this server")
        return self._known_party

    def _known(self, user_id: str) -> list[KnownCredential]:
        return [
            KnownCredential(id=row.credential_id, transports=row.transports.split())
            for row in self._database.read(passkeys.list_all, user_id)
        ]

    def _issue(self, user_id: str, purpose: Purpose, session_id: str) -> str:
        challenge = secrets.token_bytes(32)
        issued = _challenge(challenge, user_id, purpose, session_id)
        self._database.write(passkeys.issue, issued, utc_now())
        return _encode(challenge)

    def _recovery_codes(self, user_id: str) -> tuple[list[str], list[str]]:
        """Return recovery codes with their digests for a user without a second factor."""
        user = self._database.read(users.get, user_id)
        if user is None or user.second_factor:
            return [], []
        return self._second_factors.new_recovery_codes(user_id)


def _challenge(challenge: bytes, user_id: str, purpose: Purpose, session_id: str) -> Challenge:
    return Challenge(hashlib.sha256(challenge).hexdigest(), user_id, purpose, session_id)


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _view(passkey: passkey_models.Passkey) -> Passkey:
    return Passkey(
        id=passkey.id,
        name=passkey.name,
        backed_up=passkey.backed_up,
        created_at=passkey.created_at,
        last_used_at=passkey.last_used_at,
    )
