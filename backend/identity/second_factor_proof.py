"""Proof of a second factor, by a code or a passkey, at logins and step-ups."""

from __future__ import annotations

from backend.errors import (
    FieldError,
    SecondFactorRequired,
    ValidationFailed,
    WrongCode,
    WrongPasskey,
)
from backend.identity.passkeys import Passkeys
from backend.identity.second_factor import SecondFactors
from backend.schemas.webauthn import PasskeyAssertion, SecondFactorChoice, SecondFactorMethod
from backend.store import models


class SecondFactorProof:
    """Verifies the second factor of a user who has set one up."""

    def __init__(self, second_factors: SecondFactors, passkeys: Passkeys) -> None:
        self._second_factors = second_factors
        self._passkeys = passkeys

    def require_at_login(
        self, user: models.User, code: str | None, passkey: PasskeyAssertion | None
    ) -> None:
        """Verify what came with a user's password; users without a second factor pass.

        Raises `SecondFactorRequired` with a challenge when neither came, `WrongCode` or
        `WrongPasskey`.
        """
        if not user.second_factor:
            return
        if passkey is not None:
            refusal = self._passkeys.verify(user.id, passkey, "login")
            if refusal is not None:
                raise WrongPasskey(f"the passkey's response {refusal}", username=user.username)
        elif code is None:
            raise SecondFactorRequired(
                "send a code or a passkey's response too",
                self._choice(user.id).model_dump(mode="json"),
                username=user.username,
            )
        elif not self._second_factors.verify(user.id, code):
            raise WrongCode(username=user.username)

    def require_at_step_up(
        self, user: models.User, session_id: str, code: str | None, passkey: PasskeyAssertion | None
    ) -> None:
        """Verify a code or a passkey of a session's user; raises `ValidationFailed`."""
        if passkey is not None:
            refusal = self._passkeys.verify(user.id, passkey, "step-up", session_id)
            if refusal is not None:
                raise ValidationFailed(fields=[FieldError("passkey", refusal)])
        elif code is None or not self._second_factors.verify(user.id, code):
            message = "takes a code of the second factor, or send a passkey's response"
            raise ValidationFailed(fields=[FieldError("code", message)])

    def _choice(self, user_id: str) -> SecondFactorChoice:
        options = self._passkeys.login_options(user_id)
        methods: list[SecondFactorMethod] = ["recovery_code"]
        if options is not None:
            methods.insert(0, "passkey")
        if self._second_factors.has_app(user_id):
            methods.insert(0, "app")
        return SecondFactorChoice(methods=methods, passkey=options)
