"""A mail server, and a backend that sends its codes through it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from backend.identity import Identity
from backend.schemas.users import UserChange
from backend.settings.model import Settings
from tests.databases import make_settings
from tests.identity.email_codes.code_client import (
    EMAIL,
    trust_authority,
)
from tests.identity.email_codes.mail_server import MailServer
from tests.identity_app import SECRET


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def mail(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MailServer]:
    trust_authority(monkeypatch, authority, tmp_path)
    server = MailServer(authority)
    yield server
    server.close()


@pytest.fixture
def settings(tmp_path: Path, mail: MailServer) -> Settings:
    return make_settings(
        tmp_path,
        secret_key=SECRET,
        rate_limit_enabled=False,
        smtp_url=mail.url,
        mail_from="octobot@example.org",
        registration=True,
    )


@pytest.fixture
def trader_id(identity: Identity) -> str:
    user = identity.users.find_by_username("trader")
    return identity.users.change(user.id, UserChange(email=EMAIL)).id
