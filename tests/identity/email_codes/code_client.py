"""Requests for mailed codes and with them, as a client sends them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import trustme
from flask.testing import FlaskClient

from tests.identity.email_codes.mail_server import MailServer

NEW_PASSWORD = "a horse of another colour"
EMAIL = "trader@example.org"


def trust_authority(monkeypatch: pytest.MonkeyPatch, authority: trustme.CA, folder: Path) -> None:
    """Let this process trust the certificates that an authority signs."""
    authority.cert_pem.write_to_path(folder / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "authority.pem"))


def request_code(client: FlaskClient, path: str, email: str = EMAIL) -> dict:
    answer = client.post(f"/auth/{path}", json={"email": email})
    assert answer.status_code == 202, answer.text
    return answer.json["data"]


def reset(client: FlaskClient, code: str, **changes: str):
    body = {"email": EMAIL, "code": code, "password": NEW_PASSWORD}
    return client.post("/auth/password-reset/complete", json=body | changes)


def register(client: FlaskClient, code: str, **changes: str):
    body = {"email": "new@example.org", "code": code, "username": "new", "password": NEW_PASSWORD}
    return client.post("/auth/register/complete", json=body | changes)


def outcome(answer) -> tuple[int, str]:
    return answer.status_code, answer.json.get("type", "ok")


def wrong_code(code: str) -> str:
    return f"{(int(code) + 1) % 10**8:08}"


def wait_for_mailer(mail: MailServer, client: FlaskClient) -> None:
    """Wait until earlier requests for codes were processed: the mailer works in order."""
    before = len(mail.mails)
    request_code(client, "register", f"flush{before}{time.monotonic_ns()}@example.org")
    deadline = time.monotonic() + 60
    while not any("flush" in sent["To"] for sent in mail.mails[before:]):
        assert time.monotonic() < deadline
        time.sleep(0.01)
