"""Sending mails: in a thread of its own, over TLS only."""

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

MOST_WAITING = 200
_ATTEMPTS = 3
_PAUSE_S = 2.0
_TIMEOUT_S = 15
_log = structlog.get_logger(__name__)

Job = Callable[[], EmailMessage | None]
"""Decides in the mailer's thread whether there is something to send."""


class Mailer:
    """Sends mails one after the other; nobody waits for it.

    What decides about a mail runs in the same thread, so that the time that a
    request takes does not tell whether there was one to send.
    """

    def __init__(self, settings: Settings) -> None:
        url = settings.smtp_url
        self._server = None if url is None else urlsplit(url.get_secret_value())
        self._sender = settings.mail_from or ""
        self._jobs: queue.Queue[Job | None] = queue.Queue(MOST_WAITING)
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        if self._server is not None:
            self._thread = threading.Thread(target=self._run, name="mailer", daemon=True)
            self._thread.start()

    def do(self, job: Job) -> None:
        """Have a job done soon; raises `MailOff` or `MailUnavailable`, whatever it would decide."""
        if self._server is None:
            raise MailOff("ask an admin for a new password")
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            raise MailUnavailable("too many mails wait", retry_after_s=60) from None

    def close(self, timeout_s: float = 5.0) -> None:
        """End the thread after what it is at; what waits is dropped."""
        self._closing.set()
        if self._thread is not None:
            with contextlib.suppress(queue.Full):  # the thread is awake then
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
            except Exception as error:  # the next one may go
                _log.error("a mail was not made", exc_info=error)

    def _send(self, message: EmailMessage) -> None:
        """Send a mail, or say in the log that it did not go; never to whom."""
        assert self._server is not None  # noqa: S101 - else there is no thread
        message["From"], message["Date"] = self._sender, formatdate()
        message["Message-ID"] = make_msgid(domain=self._sender.rpartition("@")[2])
        for attempt in range(_ATTEMPTS):
            try:
                _deliver(self._server, message)
                return
            except (OSError, smtplib.SMTPException) as error:
                _log.warning("a mail was not sent", attempt=attempt + 1, error=type(error).__name__)
            if self._closing.wait(_PAUSE_S):
                return


def _deliver(server: SplitResult, message: EmailMessage) -> None:
    trust = ssl.create_default_context()
    trust.minimum_version = ssl.TLSVersion.TLSv1_2
    host = server.hostname or ""
    if server.scheme == "smtps":
        connection: smtplib.SMTP = smtplib.SMTP_SSL(
            host, server.port or 465, timeout=_TIMEOUT_S, context=trust
        )
    else:
        connection = smtplib.SMTP(host, server.port or 587, timeout=_TIMEOUT_S)
    with connection:
        if server.scheme == "smtp":
            connection.starttls(context=trust)  # raises when the server does not offer it
        if server.username is not None:
            connection.login(unquote(server.username), unquote(server.password or ""))
        connection.send_message(message)
