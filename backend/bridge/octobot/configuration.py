"""OctoBot's own configuration files: read with masked secrets, changed by merge patches."""

from __future__ import annotations

import copy
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import octobot.constants as octobot_constants
import octobot_commons.configuration as commons_configuration
import octobot_commons.constants as commons_constants

from backend.bridge.octobot.in_memory_keys import KEY_FIELDS
from backend.bridge.octobot.user_folder import write_json
from backend.bridge.read_models.ttl_cache import TtlCache
from backend.concurrency.host import Host
from backend.errors import BotNotReady, FieldError, ValidationFailed
from backend.ports.serialized import SerializedResponse
from backend.schemas.configuration import ConfigDocument
from backend.settings.model import Settings

MASK = "********"
_SECRET_WORDS = frozenset({"key", "apikey", "secret", "password", "token", "webhook", "seed"})
_MAX_DEPTH = 12


class Configuration:
    """`config` (user/config.json) and `profile` (the active profile's profile.json).

    Works whether the bot runs or not. A change takes effect when the bot next starts;
    `restart_required` reports that it has not yet.
    """

    def __init__(self, settings: Settings, host: Host) -> None:
        self._folder = settings.home / "octobot"
        self._host = host
        self._lock = threading.Lock()
        self._booted_with: dict[str, Any] | None = None
        self._recent = TtlCache(fresh_s=1.0)

    def read(self) -> SerializedResponse:
        """Return the document, secrets masked; files edited by the user show within a second."""
        return self._recent.get("config", lambda: self._host.call_blocking(self._serialise))

    def patch(self, patch: dict[str, Any]) -> dict[str, Any]:
        """Apply a JSON merge patch (RFC 7396) and return the new document, secrets masked.

        A masked secret in the patch leaves the stored one unchanged. Raises `ValidationFailed`
        naming each field that OctoBot's schemas refuse; nothing is written then.
        """
        try:
            return self._shown(self._host.call_blocking(self._patch, patch))
        finally:
            self._recent.clear()

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of the document: OctoBot's own, side by side."""
        return {
            "type": "object",
            "properties": {name: _schema(name) for name in ("config", "profile")},
            "additionalProperties": False,
        }

    def record_boot(self) -> None:
        """Record the configuration that the bot starts with."""
        self._booted_with = self._load()
        self._recent.clear()

    def _serialise(self) -> bytes:
        return ConfigDocument(self._shown(self._load())).model_dump_json().encode()

    def _shown(self, document: dict[str, Any]) -> dict[str, Any]:
        changed = self._booted_with is not None and self._booted_with != document
        return {**mask_secrets(document), "restart_required": changed}

    def _patch(self, patch: dict[str, Any]) -> dict[str, Any]:
        _check_shape(patch)
        with self._lock:
            before = self._load()
            after = merge(before, patch)
            errors = [*self._misfits(before, after), *_masks_left(after, "document")]
            errors += [
                error for name in ("config", "profile") for error in _violations(name, after)
            ]
            if errors:
                raise ValidationFailed("OctoBot's schema refuses this", fields=errors)
            for name, path in self._paths(before["config"]).items():
                if after[name] != before[name]:
                    content = _with_encrypted_keys(after[name]) if name == "config" else after[name]
                    write_json(path, content)
            return self._load()

    def _misfits(self, before: dict[str, Any], after: dict[str, Any]) -> list[FieldError]:
        """Return the errors that would leave the document without an active profile."""
        known = {_profile_id(path) for path in self._profiles()}
        found = []
        if after["config"].get("profile") not in known:
            found.append(FieldError("config.profile", "names no profile"))
        if _id_in(after["profile"]) != _id_in(before["profile"]):
            found.append(FieldError("profile.profile.id", "cannot be changed"))
        return found

    def _load(self) -> dict[str, Any]:
        try:
            config = json.loads(self._config_path().read_text("utf-8"))
            paths = self._paths(config)
            return {"config": config, "profile": json.loads(paths["profile"].read_text("utf-8"))}
        except (OSError, ValueError):
            raise BotNotReady("OctoBot's configuration cannot be read yet") from None

    def _config_path(self) -> Path:
        return self._folder.joinpath(commons_constants.USER_FOLDER, commons_constants.CONFIG_FILE)

    def _profiles(self) -> list[Path]:
        profiles = self._folder / commons_constants.USER_PROFILES_FOLDER
        return sorted(profiles.glob(f"*/{commons_constants.PROFILE_CONFIG_FILE}"))

    def _paths(self, config: dict[str, Any]) -> dict[str, Path]:
        """Find the active profile's file by the profile's id, as OctoBot does."""
        wanted = config.get("profile", commons_constants.DEFAULT_PROFILE)
        for path in self._profiles():
            if _profile_id(path) == wanted:
                return {"config": self._config_path(), "profile": path}
        raise ValidationFailed(
            "there is no such profile", fields=[FieldError("config.profile", "names no profile")]
        )


def _profile_id(path: Path) -> Any:
    return _id_in(json.loads(path.read_text("utf-8")))


def _id_in(profile: Any) -> Any:
    inner = profile.get("profile") if isinstance(profile, dict) else None
    return inner.get("id") if isinstance(inner, dict) else None


def merge(target: Any, patch: Any) -> Any:
    """Apply a JSON merge patch; null removes, a masked secret changes nothing."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif not (value == MASK and _is_secret(key)):
            result[key] = merge(result.get(key), value)
    return result


def mask_secrets(value: Any, *, secret: bool = False) -> Any:
    """Return a copy in which every value under a secret's name is replaced by the mask."""
    if isinstance(value, dict):
        return {
            name: mask_secrets(item, secret=secret or _is_secret(name))
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [mask_secrets(item, secret=secret) for item in value]
    return MASK if secret and not isinstance(value, bool) and value not in ("", None) else value


def _is_secret(key: str) -> bool:
    words = re.split(r"[^a-z]+", key.lower())
    return not _SECRET_WORDS.isdisjoint(words) or "chat-id" in key.lower()


def _masks_left(value: Any, where: str) -> list[FieldError]:
    """Return each place where a mask would be stored instead of the secret."""
    if isinstance(value, dict):
        return [e for name, item in value.items() for e in _masks_left(item, f"{where}.{name}")]
    if isinstance(value, list):
        return [e for item in value for e in _masks_left(item, where)]
    return [FieldError(where, "is masked: send the value itself")] if value == MASK else []


def _check_shape(patch: dict[str, Any]) -> None:
    unknown = [
        FieldError(str(key), "is not part of the configuration")
        for key in patch
        if key not in ("config", "profile")
    ]
    wrong = [
        FieldError(key, "is an object")
        for key in ("config", "profile")
        if key in patch and not isinstance(patch[key], dict)
    ]
    if unknown or wrong:
        raise ValidationFailed("a merge patch of {config, profile}", fields=unknown + wrong)
    if _is_deep(patch):
        raise ValidationFailed("nested too deeply")
    keys = list(_keys_in(patch.get("config", {}).get("exchanges")))
    if keys:
        raise ValidationFailed("exchange keys are not kept in OctoBot's files", fields=keys)


def _keys_in(exchanges: Any) -> Iterator[FieldError]:
    """Yield each exchange key that a patch would write to a file, where anyone can decrypt it."""
    for exchange, row in exchanges.items() if isinstance(exchanges, dict) else ():
        for name in KEY_FIELDS:
            if isinstance(row, dict) and row.get(name) not in (None, "", MASK):
                where = f"config.exchanges.{exchange}.{name}"
                yield FieldError(where, "is stored by POST /exchanges/{exchange}/credentials")


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_MAX_DEPTH):
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
    return bool(level)


def _schema(name: str) -> dict[str, Any]:
    path = {
        "config": octobot_constants.CONFIG_FILE_SCHEMA,
        "profile": octobot_constants.PROFILE_FILE_SCHEMA,
    }[name]
    schema: dict[str, Any] = json.loads(Path(path).read_text("utf-8"))
    return schema


def _violations(name: str, document: dict[str, Any]) -> list[FieldError]:
    validator = jsonschema.Draft7Validator(_schema(name))
    return [
        FieldError(".".join([name, *map(str, error.absolute_path)]), _sentence(error))
        for error in validator.iter_errors(document[name])
    ]


def _sentence(error: Any) -> str:
    """Describe a violation without the value, which may be a secret."""
    if error.validator == "required":
        return "misses a required property: " + ", ".join(map(str, error.validator_value))
    if error.validator == "additionalProperties":
        return "holds a property that is not known here"
    return f"must satisfy {error.validator}: {json.dumps(error.validator_value)[:200]}"


def _with_encrypted_keys(config: dict[str, Any]) -> dict[str, Any]:
    """Encrypt exchange keys as OctoBot stores them, so that it can read them back."""
    encrypted = copy.deepcopy(config)
    commons_configuration.encrypt_values_if_necessary(encrypted)
    return encrypted
