"""What a request leaves to be done when its answer is on its way: nobody waits for that."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_KEY = "backend.afterwards"
_log = structlog.get_logger(__name__)


def offer_afterwards(environ: WSGIEnvironment) -> None:
    """Say that the server of this request calls what is left to it; the server calls this."""
    environ[_KEY] = []


def do_afterwards(environ: WSGIEnvironment, call: Callable[[], None]) -> None:
    """Have something called after the answer was sent; at once where the server cannot."""
    calls: list[Callable[[], None]] | None = environ.get(_KEY)
    if calls is None:
        call()
    else:
        calls.append(call)


def call_afterwards(environ: WSGIEnvironment) -> None:
    """Call what was left until now; the server calls this."""
    calls: list[Callable[[], None]] = environ.pop(_KEY, [])
    for call in calls:
        try:
            call()
        except Exception as error:  # the answer has been sent, and the others are to be called
            _log.error("not done after an answer", path=environ.get("PATH_INFO"), exc_info=error)
