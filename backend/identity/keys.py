"""The key that signs access tokens: given by a setting, or made once and kept."""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from backend.settings import Settings, SettingsError

_SHORTEST = 32


@dataclass(frozen=True)
class SigningKey:
    """A secret, and the public name by which a token's `kid` header refers to it."""

    id: str
    secret: str = field(repr=False)


def signing_key(settings: Settings) -> SigningKey:
    """Return BACKEND_SECRET_KEY, or the key kept in BACKEND_HOME, made at the first start.

    Raises `SettingsError` when the kept key cannot be used.
    """
    if settings.secret_key is not None:
        secret = settings.secret_key.get_secret_value()
    else:
        secret = _kept_secret(settings.home / "secret.key")
    return SigningKey(hashlib.sha256(b"kid:" + secret.encode()).hexdigest()[:16], secret)


def _kept_secret(path: Path) -> str:
    try:
        if not path.exists():
            _create(path, secrets.token_urlsafe(48))
        path.chmod(0o600)
        secret = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"BACKEND_SECRET_KEY: {path} cannot be used: {error}") from None
    if len(secret) < _SHORTEST:
        raise SettingsError(f"BACKEND_SECRET_KEY: {path} is damaged; delete it to get a new one")
    return secret


def _create(path: Path, secret: str) -> None:
    """Let the whole file appear at once; of two who try, the second takes the first one's."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secret + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()
