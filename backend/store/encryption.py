"""Cipher for stored secrets: `enc:v1:` and a Fernet token under BACKEND_ENCRYPTION_KEY."""

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
    """Encrypts with the first key and decrypts with any of them.

    In development a key is generated when it is first needed and stored in
    BACKEND_HOME; production uses only those of the setting.
    """

    def __init__(self, settings: Settings) -> None:
        self._given = settings.encryption_key
        self._file = None if settings.env == "production" else settings.home / "encryption.key"

    def encrypt(self, purpose: str, content: dict[str, str]) -> str:
        """Encrypt named texts; they can be decrypted for the same purpose only."""
        text = json.dumps({**content, "for": purpose})
        return PREFIX + self._keys(create=True).encrypt(text.encode()).decode()

    def decrypt(self, purpose: str, encrypted: str) -> dict[str, str]:
        """Decrypt named texts; raises `CredentialsUnreadable`."""
        token = encrypted.removeprefix(PREFIX)
        try:
            content: dict[str, str] = json.loads(self._keys().decrypt(token))
        except (InvalidToken, ValueError):
            raise CredentialsUnreadable(_LOST) from None
        if content.pop("for") != purpose:
            raise CredentialsUnreadable("they were stored for another exchange")
        return content

    def rotate(self, encrypted: str) -> str:
        """Re-encrypt with the first key; raises `CredentialsUnreadable`."""
        try:
            token = self._keys().rotate(encrypted.removeprefix(PREFIX))
        except (InvalidToken, ValueError):
            raise CredentialsUnreadable(_LOST) from None
        return PREFIX + token.decode()

    def _keys(self, *, create: bool = False) -> MultiFernet:
        if self._given is not None:
            text = self._given.get_secret_value()
        elif self._file is not None and (create or self._file.exists()):
            text = _key_in_file(self._file)
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


def _key_in_file(path: Path) -> str:
    """Read the key file, created atomically and with mode 600 if it does not exist."""
    if not path.exists():
        draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(Fernet.generate_key())
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass  # another process was first: its key is used
        finally:
            draft.unlink()
    return path.read_text(encoding="ascii")
