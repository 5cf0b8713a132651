"""What an app is made of: the parts that views and middleware reach through `services()`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from flask import current_app

if TYPE_CHECKING:
    from backend.bridge import Bridge
    from backend.concurrency.host import Host
    from backend.credentials import CredentialsService
    from backend.identity import Identity
    from backend.reports import Reports
    from backend.settings.model import Settings
    from backend.store import Database
    from backend.streams import Hub


@dataclass(frozen=True)
class Services:
    """One app's parts; two apps in one process share none."""

    settings: Settings
    host: Host
    database: Database
    identity: Identity
    bridge: Bridge
    hub: Hub
    reports: Reports
    credentials: CredentialsService


def services() -> Services:
    """Return the parts of the app that serves the present request."""
    # the app itself: its stand-in finds it anew for each attribute, at the price of a view's line
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # Flask's own way
    return cast(Services, app.extensions["backend"])
