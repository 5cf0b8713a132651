"""Keys that sign access tokens: from the settings, or generated and stored in BACKEND_HOME."""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from backend.settings.model import Settings, SettingsError
from backend.settings.types import MIN_KEY_LENGTH

_FILE = "secret.key"


@dataclass(frozen=True)
class SigningKey:
    """A secret and its id, which a token's `kid` header names."""

    id: str
    secret: str = field(repr=False)


def signing_keys(settings: Settings) -> tuple[SigningKey, ...]:
    """Return the keys that verify tokens; the first one signs new tokens.

    They are BACKEND_SECRET_KEY and BACKEND_PREVIOUS_SECRET_KEYS, or those stored
    in BACKEND_HOME, generated at the first start. Raises `SettingsError` when the
    stored ones cannot be used.
    """
    if settings.secret_key is None:
        found = _stored_secrets(settings.home / _FILE)
    else:
        found = [settings.secret_key.get_secret_value()]
    if settings.previous_secret_keys is not None:
        found += settings.previous_secret_keys.get_secret_value().split(",")
    return tuple(SigningKey(_id(secret.strip()), secret.strip()) for secret in found)


def rotate_stored_key(settings: Settings) -> None:
    """Put a new key before the one stored in BACKEND_HOME, for the next start.

    The present one stays for verification, so that nobody is logged out; the one before
    it is dropped. Raises `SettingsError` where the key is not stored there.
    """
    if settings.secret_key is not None:
        raise SettingsError(
            "BACKEND_SECRET_KEY is set: set another one, and this one as "
            "BACKEND_PREVIOUS_SECRET_KEYS for as long as tokens live"
        )
    path = settings.home / _FILE
    secrets_kept = [_new_secret(), *_stored_secrets(path)[:1]]
    temporary = _write_temporary(path, "\n".join(secrets_kept))
    temporary.replace(path)


def _id(secret: str) -> str:
    return hashlib.sha256(b"kid:" + secret.encode()).hexdigest()[:16]


def _new_secret() -> str:
    return secrets.token_urlsafe(48)


def _stored_secrets(path: Path) -> list[str]:
    try:
        if not path.exists():
            _create(path)
        path.chmod(0o600)
        found = path.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"BACKEND_SECRET_KEY: {path} cannot be used: {error}") from None
    if not found or min(map(len, found)) < MIN_KEY_LENGTH:
        raise SettingsError(f"BACKEND_SECRET_KEY: {path} is damaged; delete it to get a new one")
    return found


def _create(path: Path) -> None:
    """Create the file atomically; the second of two concurrent callers leaves the first one's."""
    temporary = _write_temporary(path, _new_secret())
    try:
        os.link(temporary, path)
    except FileExistsError:
        return
    finally:
        temporary.unlink()


def _write_temporary(path: Path, content: str) -> Path:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(content + "\n")
        file.flush()
        os.fsync(file.fileno())
    return temporary
