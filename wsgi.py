"""WSGI entry point: `python wsgi.py` starts the server; `wsgi:application` is for WSGI servers.

One process owns the bot, so other servers get one process, many threads and no
preloading: `gunicorn --worker-class gthread --workers 1 --threads 32 wsgi`,
`waitress-serve --threads 32 wsgi:application`.
"""

from __future__ import annotations

import sys
import threading
from contextlib import ExitStack
from typing import NoReturn

from flask import Flask

_GUNICORN_STOPS = 3  # any other exit code makes it retry forever


def __getattr__(name: str) -> Flask:
    """Start everything when a server reads `application`, not when this is imported."""
    if name != "application":
        raise AttributeError(name)
    application: Flask = _start()
    globals()[name] = application
    return application


def _start() -> Flask:
    from backend.concurrency.host import ThreadHost
    from backend.settings.loading import load_settings
    from backend.settings.model import SettingsError

    stack = ExitStack()
    try:
        settings = load_settings()
        if settings.tls_cert is not None:
            raise SettingsError("BACKEND_TLS_CERT: give it to the server that imports wsgi")
    except SettingsError as error:
        _refuse(error)
    from backend.cli import python_version
    from backend.start import START_ERRORS, running_app  # imports OctoBot, which takes seconds

    try:
        application = stack.enter_context(running_app(settings, ThreadHost()))
    except START_ERRORS as error:
        _refuse(error)
    if python_version.is_outdated():
        sys.stderr.write(f"Warning: {python_version.WARNING}\n")
    # atexit comes after the interpreter has waited for all threads, and OctoBot's only
    # end when it is stopped; there is no public name for the earlier hook
    threading._register_atexit(stack.close)  # type: ignore[attr-defined]
    return application


def _refuse(error: Exception) -> NoReturn:
    sys.stderr.write(f"Error: {error}\n")
    sys.exit(_GUNICORN_STOPS)


if __name__ == "__main__":
    from backend.cli.main import main

    main()
