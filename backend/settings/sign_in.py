"""Settings of passkeys and of signing in with an OpenID provider."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
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

    oidc_issuer: str | None = Field(
        None, max_length=255, description="OpenID provider, such as https://accounts.google.com"
    )
    oidc_client_id: str | None = Field(
        None, min_length=1, max_length=255, description="this server's name at the provider"
    )
    oidc_client_secret: SecretStr | None = Field(
        None, min_length=1, description="this server's secret there"
    )
    oidc_scopes: Annotated[tuple[str, ...], NoDecode] = Field(
        ("openid", "email", "profile"), description="asked of the provider; openid is one of them"
    )
    oidc_audiences: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="further client ids, of apps that send ID tokens"
    )
    oidc_redirect_uri: str | None = Field(
        None, description="public address of this server's /api/v1/auth/oidc/callback"
    )
    oidc_return_urls: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="pages and apps that a sign-in may return to, exactly as they ask for it"
    )
    oidc_registration: bool = Field(
        False, description="let anybody register whose address the provider has verified"
    )

    @field_validator(
        *("passkey_origins", "oidc_scopes", "oidc_audiences", "oidc_return_urls"), mode="before"
    )
    @classmethod
    def _split_list(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(value.replace(",", " ").split())
        return value

    @field_validator("oidc_issuer", "oidc_redirect_uri")
    @classmethod
    def _provider_urls(cls, value: str | None) -> str | None:
        if value is not None and (not is_safe_url(value) or "?" in value or "#" in value):
            raise ValueError("an address with https, or with http on this machine")
        return value

    @field_validator("oidc_return_urls")
    @classmethod
    def _return_urls(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for url in value:
            parts = urlsplit(url)
            is_app = re.fullmatch(r"[a-z][a-z0-9+-]*\.[a-z0-9+.-]+", parts.scheme) is not None
            if not (is_app or is_safe_url(url)) or parts.query or parts.fragment:
                raise ValueError(
                    "addresses such as https://app.example.org/signed-in, or an app's"
                    " org.example.app:/signed-in, comma-separated"
                )
        return value

    @model_validator(mode="after")
    def _provider_complete(self) -> SignInSettings:
        if self.oidc_issuer is not None and self.oidc_client_id is None:
            raise ValueError("BACKEND_OIDC_CLIENT_ID: BACKEND_OIDC_ISSUER takes it too")
        if "openid" not in self.oidc_scopes:
            raise ValueError("BACKEND_OIDC_SCOPES: openid is one of them")
        return self

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


def is_safe_url(url: str) -> bool:
    """Return whether a URL is one of HTTPS, or of HTTP on this machine, without credentials."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _port = parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or not url.isascii() or not url.isprintable():
        return False
    is_local = host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)
    return parts.scheme == "https" or (parts.scheme == "http" and is_local)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
