"""The keys that sign access tokens: given by settings, or made once and kept."""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from backend.settings.model import SHORTEST_KEY, Settings, SettingsError

_FILE = "secret.key"


@dataclass(frozen=True)
class SigningKey:
    """A secret, and the public name by which a token's `kid` header refers to it."""

    id: str
    secret: str = field(repr=False)


def signing_keys(settings: Settings) -> tuple[SigningKey, ...]:
    """Return the keys that tokens may be signed with; the first one signs new tokens.

    They are BACKEND_SECRET_KEY and BACKEND_PREVIOUS_SECRET_KEYS, or those kept
    in BACKEND_HOME, made at the first start. Raises `SettingsError` when the
    kept ones cannot be used.
    """
    if settings.secret_key is None:
        found = _kept_secrets(settings.home / _FILE)
    else:
        found = [settings.secret_key.get_secret_value()]
    if settings.previous_secret_keys is not None:
        found += settings.previous_secret_keys.get_secret_value().split(",")
    return tuple(SigningKey(_id(secret.strip()), secret.strip()) for secret in found)


def rotate_kept_key(settings: Settings) -> None:
    """Put a fresh key before the one kept in BACKEND_HOME, for the next start.

    The one that signed until now stays, so that nobody is logged out; the one
    before that goes. Raises `SettingsError` where the key is not kept there.
    """
    if settings.secret_key is not None:
        raise SettingsError(
            "BACKEND_SECRET_KEY is set: set another one, and this one as "
            "BACKEND_PREVIOUS_SECRET_KEYS for as long as tokens live"
        )
    path = settings.home / _FILE
    secrets_kept = [_made_up(), *_kept_secrets(path)[:1]]
    draft = _draft(path, "\n".join(secrets_kept))
    draft.replace(path)


def _id(secret: str) -> str:
    return hashlib.sha256(b"kid:" + secret.encode()).hexdigest()[:16]


def _made_up() -> str:
    return secrets.token_urlsafe(48)


def _kept_secrets(path: Path) -> list[str]:
    try:
        if not path.exists():
            _create(path)
        path.chmod(0o600)
        found = path.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"BACKEND_SECRET_KEY: {path} cannot be used: {error}") from None
    if not found or min(map(len, found)) < SHORTEST_KEY:
        raise SettingsError(f"BACKEND_SECRET_KEY: {path} is damaged; delete it to get a new one")
    return found


def _create(path: Path) -> None:
    """Let the whole file appear at once; of two who try, the second takes the first one's."""
    draft = _draft(path, _made_up())
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()


def _draft(path: Path, content: str) -> Path:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(content + "\n")
        file.flush()
        os.fsync(file.fileno())
    return draft
