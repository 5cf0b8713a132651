"""Encrypting what is stored: `enc:v1:` and a Fernet token under BACKEND_ENCRYPTION_KEY."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from backend.errors import CredentialsUnreadable, EncryptionKeyMissing
from backend.settings.model import Settings

PREFIX = "enc:v1:"


class Cipher:
    """Encrypts under the first of the keys and decrypts under any of them.

    In development a key is made when it is first needed and kept in
    BACKEND_HOME; production takes none but those of the setting.
    """

    def __init__(self, settings: Settings) -> None:
        self._given = settings.encryption_key
        self._file = None if settings.env == "production" else settings.home / "encryption.key"

    def seal(self, purpose: str, content: dict[str, str]) -> str:
        """Encrypt texts by name; what is sealed for one purpose does not open for another."""
        text = json.dumps({**content, "for": purpose})
        return PREFIX + self._keys(create=True).encrypt(text.encode()).decode()

    def open(self, purpose: str, sealed: str) -> dict[str, str]:
        """Decrypt what was sealed; raises `CredentialsUnreadable`."""
        token = sealed.removeprefix(PREFIX)
        try:
            content: dict[str, str] = json.loads(self._keys().decrypt(token))
        except (InvalidToken, ValueError):
            raise CredentialsUnreadable(_LOST) from None
        if content.pop("for") != purpose:
            raise CredentialsUnreadable("they were stored for another exchange")
        return content

    def renew(self, sealed: str) -> str:
        """Encrypt again, under the first key, what is sealed under any of them."""
        try:
            token = self._keys().rotate(sealed.removeprefix(PREFIX))
        except (InvalidToken, ValueError):
            raise CredentialsUnreadable(_LOST) from None
        return PREFIX + token.decode()

    def _keys(self, *, create: bool = False) -> MultiFernet:
        if self._given is not None:
            text = self._given.get_secret_value()
        elif self._file is not None and (create or self._file.exists()):
            text = _kept_key(self._file)
        else:
            raise EncryptionKeyMissing(_MISSING)
        try:
            return MultiFernet([Fernet(key.strip()) for key in text.split(",")])
        except ValueError:
            raise EncryptionKeyMissing(f"{self._file} is damaged") from None


_LOST = "BACKEND_ENCRYPTION_KEY lacks the key that they were stored under"
_MISSING = (
    "set BACKEND_ENCRYPTION_KEY to store keys; `octobot-backend credentials new-key` makes one"
)


def _kept_key(path: Path) -> str:
    """Read the key, made if there is none; it appears at once, for its owner only."""
    if not path.exists():
        draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(Fernet.generate_key())
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass  # another was quicker: its key counts
        finally:
            draft.unlink()
    return path.read_text(encoding="ascii")
