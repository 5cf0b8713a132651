"""An SMTP server with TLS and authentication that records the mails it receives."""

from __future__ import annotations

import re
import ssl
import time
import warnings
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from benchmarks.live import free_port

USER, PASSWORD = "mailer", "p@ss/word"
ARRIVES_WITHIN_S = 60


class MailServer:
    """Takes mails from who logs in, over STARTTLS or TLS from the first octet."""

    def __init__(self, authority: trustme.CA, *, scheme: str = "smtp", tls: bool = True) -> None:
        self.mails: list[EmailMessage] = []
        self.encrypted: list[bool] = []
        with warnings.catch_warnings():
            # aiosmtpd's first look at itself takes a context that is good for both sides
            warnings.simplefilter("ignore", DeprecationWarning)
            trust = ssl.SSLContext(ssl.PROTOCOL_TLS)
        authority.issue_cert("127.0.0.1").configure_cert(trust)
        options: dict[str, Any] = {"authenticator": _authenticate, "auth_required": True}
        if not tls:
            options = {}
        elif scheme == "smtps":
            options |= {"ssl_context": trust, "auth_require_tls": False, "auth_required": False}
        else:
            options |= {"tls_context": trust, "require_starttls": True}
        port = free_port()
        self._controller = Controller(
            self, hostname="127.0.0.1", port=port, ready_timeout=ARRIVES_WITHIN_S, **options
        )
        self._controller.start()
        self.url = f"{scheme}://{USER}:p%40ss%2Fword@127.0.0.1:{port}"

    async def handle_DATA(self, _server, session, envelope) -> str:
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.encrypted.append(session.ssl is not None)
        self.mails.append(message)
        return "250 OK"

    def wait_for(self, count: int) -> list[EmailMessage]:
        """Wait until so many mails have arrived."""
        deadline = time.monotonic() + ARRIVES_WITHIN_S
        while len(self.mails) < count:
            assert time.monotonic() < deadline, f"{len(self.mails)} of {count} mails"
            time.sleep(0.01)
        return self.mails

    def close(self) -> None:
        self._controller.stop()


def code_in(mail: EmailMessage) -> str:
    """Return the one code that a mail tells."""
    (code,) = [line for line in mail.get_content().splitlines() if re.fullmatch(r"\d{8}", line)]
    return code


def _authenticate(_server, _session, _envelope, _mechanism, data: LoginPassword) -> AuthResult:
    known = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=known, handled=known)
