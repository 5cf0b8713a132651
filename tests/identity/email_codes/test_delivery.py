"""Delivery of mails: over TLS to a trusted server, or not at all."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from flask.testing import FlaskClient
from structlog.testing import capture_logs

from backend.identity import Identity
from backend.settings.model import Settings
from tests.databases import make_settings
from tests.identity.email_codes.code_client import (
    EMAIL,
    NEW_PASSWORD,
    outcome,
    request_code,
    trust_authority,
)
from tests.identity.email_codes.mail_server import MailServer, code_in
from tests.identity_app import SECRET

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:aiosmtpd")


class TestOff:
    """A server that sends no mail."""

    @pytest.fixture
    def settings(self, tmp_path: Path) -> Settings:
        return make_settings(tmp_path, secret_key=SECRET, rate_limit_enabled=False)

    def test_nobody_registers_or_resets(self, client: FlaskClient, identity: Identity) -> None:
        for path in ("register", "register/complete"):
            body = {"email": "new@example.org"}
            if "complete" in path:
                body |= {"code": "123456", "username": "new", "password": NEW_PASSWORD}
            answer = client.post(f"/auth/{path}", json=body)
            assert outcome(answer) == (403, "registration_off")
        answer = client.post("/auth/password-reset", json={"email": EMAIL})
        assert outcome(answer) == (403, "mail_off")


class TestServers:
    """Mail servers by scheme, certificate and credentials."""

    @pytest.fixture(params=["smtps", "plain", "unknown certificate", "wrong password"])
    def kind(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    def mail(
        self, kind: str, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[MailServer]:
        trust_authority(monkeypatch, trustme.CA() if "unknown" in kind else authority, tmp_path)
        server = MailServer(
            authority, scheme="smtps" if kind == "smtps" else "smtp", tls=kind != "plain"
        )
        if kind == "wrong password":
            server.url = server.url.replace("mailer:", "mallory:")
        yield server
        server.close()

    def test_mail_goes_over_tls_to_a_known_server_or_not_at_all(
        self, kind: str, client: FlaskClient, mail: MailServer, trader_id: str
    ) -> None:
        with capture_logs() as lines:
            request_code(client, "password-reset")
            if kind == "smtps":
                assert code_in(mail.wait_for(1)[0])
                return
            deadline = time.monotonic() + 60
            while "a mail was not sent" not in [line["event"] for line in lines]:
                assert time.monotonic() < deadline
                time.sleep(0.01)
        assert mail.mails == []
        assert "p@ss" not in str(lines)
        assert EMAIL not in [line.get("error") for line in lines]
