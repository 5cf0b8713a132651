"""Mail queue: sends over SMTP with TLS, in a thread of its own."""

from __future__ import annotations

import contextlib
import queue
import smtplib
import ssl
import threading
from collections.abc import Callable
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import SplitResult, unquote, urlsplit

import structlog

from backend.errors import MailOff, MailUnavailable
from backend.settings.model import Settings

MAX_QUEUED = 200
_ATTEMPTS = 3
_RETRY_PAUSE_S = 2.0
_TIMEOUT_S = 15
_log = structlog.get_logger(__name__)

Job = Callable[[], EmailMessage | None]
"""Returns the mail to send, or None; runs in the mailer's thread."""


class Mailer:
    """Sends mails one after the other in a background thread.

    The decision whether to send one runs there too, so that a request's duration
    does not reveal it.
    """

    def __init__(self, settings: Settings) -> None:
        url = settings.smtp_url
        self._server = None if url is None else urlsplit(url.get_secret_value())
        self._sender = settings.mail_from or ""
        self._jobs: queue.Queue[Job | None] = queue.Queue(MAX_QUEUED)
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        if self._server is not None:
            self._thread = threading.Thread(target=self._run, name="mailer", daemon=True)
            self._thread.start()

    def submit(self, job: Job) -> None:
        """Queue a job; raises `MailOff` or `MailUnavailable` without running it."""
        if self._server is None:
            raise MailOff("ask an admin for a new password")
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            raise MailUnavailable("too many mails wait", retry_after_s=60) from None

    def close(self, timeout_s: float = 5.0) -> None:
        """Stop the thread after the present job; queued jobs are dropped."""
        self._closing.set()
        if self._thread is not None:
            with contextlib.suppress(queue.Full):  # the thread is not waiting then
                self._jobs.put_nowait(None)
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._closing.is_set():
            job = self._jobs.get()
            if job is None:
                return
            try:
                message = job()
                if message is not None:
                    self._send(message)
            except Exception as error:  # one failed job must not end the thread
                _log.error("a mail could not be composed", exc_info=error)

    def _send(self, message: EmailMessage) -> None:
        """Send a mail with retries; failures are logged without the address."""
        assert self._server is not None  # noqa: S101 - else there is no thread
        message["From"], message["Date"] = self._sender, formatdate()
        message["Message-ID"] = make_msgid(domain=self._sender.rpartition("@")[2])
        for attempt in range(_ATTEMPTS):
            try:
                _deliver(self._server, message)
                return
            except (OSError, smtplib.SMTPException) as error:
                _log.warning("a mail was not sent", attempt=attempt + 1, error=type(error).__name__)
            if self._closing.wait(_RETRY_PAUSE_S):
                return


def _deliver(server: SplitResult, message: EmailMessage) -> None:
    tls_context = ssl.create_default_context()
    tls_context.minimum_version = ssl.TLSVersion.TLSv1_2
    host = server.hostname or ""
    if server.scheme == "smtps":
        connection: smtplib.SMTP = smtplib.SMTP_SSL(
            host, server.port or 465, timeout=_TIMEOUT_S, context=tls_context
        )
    else:
        connection = smtplib.SMTP(host, server.port or 587, timeout=_TIMEOUT_S)
    with connection:
        if server.scheme == "smtp":
            connection.starttls(context=tls_context)  # raises when the server does not offer it
        if server.username is not None:
            connection.login(unquote(server.username), unquote(server.password or ""))
        connection.send_message(message)
