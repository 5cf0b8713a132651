"""Settings of passkeys."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode

_DOMAIN = re.compile(r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63}){0,30}")
_ORIGIN = re.compile(r"https?://[a-z0-9.-]{1,253}(:[0-9]{1,5})?")
_APP_ORIGIN = re.compile(r"android:apk-key-hash:[A-Za-z0-9_-]{43}")


class SignInSettings(BaseSettings):
    """Part of the settings that the ways to sign in need, beside passwords."""

    passkey_rp_id: str | None = Field(
        None, description="domain that passkeys belong to, such as example.org"
    )
    passkey_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="origins of the pages and apps that may use passkeys"
    )

    @field_validator("passkey_origins", mode="before")
    @classmethod
    def _split_list(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("passkey_rp_id")
    @classmethod
    def _domain(cls, value: str | None) -> str | None:
        if value is not None and (not _DOMAIN.fullmatch(value) or _is_address(value)):
            raise ValueError("a domain in lower case, such as example.org; no address, no port")
        return value

    @field_validator("passkey_origins")
    @classmethod
    def _passkey_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            if not _ORIGIN.fullmatch(origin) and not _APP_ORIGIN.fullmatch(origin):
                raise ValueError(
                    "origins such as https://app.example.org, or android:apk-key-hash:…,"
                    " comma-separated"
                )
        return value

    @model_validator(mode="after")
    def _origins_of_the_domain(self) -> SignInSettings:
        if self.passkey_origins and self.passkey_rp_id is None:
            raise ValueError("BACKEND_PASSKEY_RP_ID: BACKEND_PASSKEY_ORIGINS takes their domain")
        for origin in self.passkey_origins:
            if not is_origin_of(origin, self.passkey_rp_id or ""):
                raise ValueError(
                    f"BACKEND_PASSKEY_ORIGINS: https and {self.passkey_rp_id} or a subdomain of it"
                )
        return self


def is_origin_of(origin: str, domain: str) -> bool:
    """Return whether a page of this origin may use the passkeys of a domain.

    As browsers have it: by HTTPS, or on this machine. An Android app's origin has no domain.
    """
    if not origin.startswith("http"):
        return True
    parts = urlsplit(origin)
    host = parts.hostname or ""
    is_safe = parts.scheme == "https" or host == "localhost" or host.endswith(".localhost")
    return is_safe and (host == domain or host.endswith(f".{domain}"))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
