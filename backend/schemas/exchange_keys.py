"""Models of exchange connections, whose API keys are written and never returned."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr, model_validator

from backend.schemas.common import Model, RequestModel, UtcTime

Outcome = Literal[
    "ok",
    "key_refused",
    "permission_missing",
    "clock_wrong",
    "rate_limited",
    "unreachable",
    "timeout",
    "refused",
]


"""Returns the keys of the bot by exchange; None where the stored keys must not be used."""


_Key = Annotated[SecretStr, Field(min_length=1, max_length=512)]
_Secret = Annotated[SecretStr, Field(min_length=1, max_length=4096)]


class _Settings(RequestModel):
    """Validation shared by creation and change."""

    @model_validator(mode="after")
    def _printable(self) -> _Settings:
        for name in ("api_key", "api_secret", "api_password"):
            secret: SecretStr | None = getattr(self, name)
            text = "" if secret is None else secret.get_secret_value()
            if secret is not None and (not text.strip() or not _is_plain(text)):
                raise ValueError(f"{name}: plain ASCII text, not blank")
        return self


def _is_plain(text: str) -> bool:
    return all(" " <= character <= "~" or character in "\r\n" for character in text)


class NewCredentials(_Settings):
    """Keys of an account at an exchange."""

    api_key: _Key = Field(examples=["vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zv"])
    api_secret: _Secret = Field(examples=["NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP"])
    api_password: _Key | None = Field(
        None, description="The passphrase that some exchanges ask for.", examples=[None]
    )
    enabled: bool = True
    trading: Literal["paper", "real"] = Field(
        "paper",
        description="With `real`, and BACKEND_TRADING=real, the bot trades on this account.",
    )
    sandboxed: bool = Field(False, description="Use the exchange's test network.")


class CredentialsChange(_Settings):
    """New values; what is left out stays."""

    api_key: _Key | None = Field(None, description="Comes with its `api_secret`.")
    api_secret: _Secret | None = None
    api_password: _Key | None = Field(None, description="Null removes it.")
    enabled: bool | None = Field(None, examples=[True])
    trading: Literal["paper", "real"] | None = Field(None, examples=["real"])
    sandboxed: bool | None = None

    @model_validator(mode="after")
    def _fits(self) -> CredentialsChange:
        if not self.model_fields_set:
            raise ValueError("body: names nothing to change")
        if (self.api_key is None) != (self.api_secret is None):
            raise ValueError("api_secret: a key and its secret change together")
        return self


class ConnectionTest(Model):
    """What the exchange said when it was asked for the balances with the stored keys."""

    outcome: Outcome
    tested_at: UtcTime


class Credentials(Model):
    """Stored keys, as far as they are shown."""

    exchange: str
    api_key: str = Field(description="Its last four characters.", examples=["********E2zv"])
    has_password: bool
    enabled: bool
    trading: Literal["paper", "real"]
    sandboxed: bool
    created_at: UtcTime
    updated_at: UtcTime
    last_test: ConnectionTest | None
    in_use: bool = Field(description="Whether the bot trades with them now.")
    restart_required: bool = Field(
        description="Whether the bot still runs with what was stored before."
    )


class CredentialsRemoval(Model):
    """What was removed."""

    exchange: str
    restart_required: bool = Field(
        description="Whether the bot still runs with what was stored before."
    )
