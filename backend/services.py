"""The parts of one app, which views and middleware reach through `services()`.

Parts from above this layer are known by Protocols.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, cast

from flask import Flask, current_app

if TYPE_CHECKING:
    from backend.bridge import Bridge
    from backend.concurrency.host import Host
    from backend.credentials import CredentialsService
    from backend.identity import Identity, Principal
    from backend.observability.metrics import Metrics
    from backend.reports import Reports
    from backend.settings.model import Settings
    from backend.store import Database
    from backend.store.audit import NewEntry
    from backend.streams import Hub, Tickets
    from backend.streams.connection_limits import StreamSlot

_EXTENSION = "backend"
RateClass = Literal["trade", "query", "login"]
RateKind = Literal["trade", "query", "login", "account", "all_logins", "address"]


class Allowance(NamedTuple):
    """What is left to a caller in a rate limit's window; below zero the request is refused."""

    limit: int
    left: int
    reset_s: int


class RateLimiting(Protocol):
    """Counts requests; raises `RateLimitsAway` for a login that cannot be counted."""

    def count_request(self, rate_class: RateClass, caller: str) -> Allowance:
        """Count the present request."""

    def count(self, kind: RateKind, caller: str) -> Allowance:
        """Count one request, in or outside of one."""


class ReadAdmission(Protocol):
    """Refuses reads while the bot is late."""

    @property
    def refused(self) -> int:
        """Number of reads that were refused."""

    def admit(self, caller: str) -> None:
        """Count a read; raises `BotStrained` for callers who read too often."""


class AuditTrail(Protocol):
    """Stores audit entries in the background."""

    def record(self, entry: NewEntry) -> None:
        """Log an entry and queue it for the store; never waits."""

    def is_repeat(self, caller: str, action: str, status: int) -> bool:
        """Return whether the same refusal was stored less than a minute ago."""

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until everything recorded before is stored; False when the time is up."""

    def close(self) -> None:
        """Store what is queued and end."""


class SocketAdmission(Protocol):
    """Limits on the WebSockets of an app; `acquire…` raise `StreamsFull`."""

    @property
    def closing(self) -> bool:
        """Whether requests about orders are no longer accepted."""

    def acquire(self) -> StreamSlot:
        """Take a slot for a connection."""

    def acquire_unauthenticated(self) -> StreamSlot:
        """Take a slot for a client that is still to authenticate."""

    def close(self) -> None:
        """Accept no more requests about orders."""


@dataclass(frozen=True)
class Services:
    """One app's parts; two apps in one process share none of their own making.

    `rate_limits` is None where they are switched off.
    """

    settings: Settings
    host: Host
    database: Database
    identity: Identity
    bridge: Bridge
    hub: Hub
    reports: Reports
    credentials: CredentialsService
    rate_limits: RateLimiting | None
    load_shedding: ReadAdmission
    audit: AuditTrail
    metrics: Metrics
    tickets: Tickets[Principal]
    sockets: SocketAdmission

    def close(self) -> None:
        """Close what was made for the app; the bridge, the hub and the database stay open."""
        self.sockets.close()
        self.audit.close()
        self.reports.close()
        self.identity.close()


def install_services(app: Flask, parts: Services) -> None:
    """Give an app its parts."""
    app.extensions[_EXTENSION] = parts


def services_of(app: Flask) -> Services:
    """Return the parts of an app."""
    return cast(Services, app.extensions[_EXTENSION])


def services() -> Services:
    """Return the parts of the app that serves the present request."""
    # the app itself: its stand-in finds it anew for each attribute, at the price of a view's line
    return services_of(current_app._get_current_object())  # type: ignore[attr-defined]  # Flask's own way
