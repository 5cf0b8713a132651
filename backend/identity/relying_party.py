"""Relying party of WebAuthn: the domain that passkeys belong to, and the origins that use them."""

from __future__ import annotations

from typing import NamedTuple

from backend.settings.model import Settings
from backend.settings.sign_in import is_origin_of

NAME = "OctoBot"


class RelyingParty(NamedTuple):
    """Domain of the passkeys, and the origins whose responses are accepted."""

    id: str
    origins: tuple[str, ...]


def relying_party(settings: Settings) -> RelyingParty | None:
    """Return the settings' relying party; None in production without `BACKEND_PASSKEY_RP_ID`.

    In development it is this machine: `localhost`, as browsers give no passkeys to addresses.
    Unless they are set, the origins are the domain's own and those that CORS admits of it.
    """
    domain = settings.passkey_rp_id
    if domain is None:
        if settings.env == "production":
            return None
        domain = "localhost"
    if settings.passkey_origins:
        return RelyingParty(domain, settings.passkey_origins)
    schemes = ("https",) if settings.tls_cert else ("https", "http")
    own = [f"{scheme}://localhost:{settings.port}" for scheme in schemes]
    origins = [*(own if domain == "localhost" else [f"https://{domain}"]), *settings.cors_origins]
    return RelyingParty(domain, tuple(one for one in origins if is_origin_of(one, domain)))
