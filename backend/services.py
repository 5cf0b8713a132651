"""Services: the typed parts of one app, which views and middleware reach through `services()`.

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
    from backend.streams import Hub, TicketStore
    from backend.streams.connection_limits import StreamSlot

_EXTENSION = "backend"
RateClass = Literal["trade", "amend", "brake", "config", "query", "login", "proof", "refresh"]
RateKind = Literal[
    RateClass,
    "site",
    "account",
    "account_hour",
    "all_logins",
    "known_login",
    "new_network",
    "account_new_networks",
    "all_new_networks",
    "address",
    "brake_address",
    "health",
]


class RatePolicy(NamedTuple):
    """Quota of a budget in a window; `header` is its `RateLimit-Policy`."""

    name: str
    limit: int
    header: str


class Allowance(NamedTuple):
    """A caller's remaining requests in a rate limit's window; below zero the request is refused."""

    policy: RatePolicy
    left: int
    reset_s: int


class RateLimiting(Protocol):
    """Counts requests; raises `RateLimitsAway` for a login that cannot be counted."""

    def count_request(self, rate_class: RateClass, caller: str) -> Allowance:
        """Count the present request."""

    def count(self, kind: RateKind, caller: str, amount: int = 1) -> Allowance:
        """Count requests; a negative amount gives them back."""

    def delay_try(self, caller: str) -> int:
        """Count a try at a password; return the seconds by which it comes too early, else 0."""

    def forget_tries(self, caller: str) -> None:
        """Forget a caller's tries: one of them was right."""


class ReadAdmission(Protocol):
    """Refuses reads while the bot lags."""

    @property
    def refused(self) -> int:
        """Number of reads that were refused."""

    def admit(self, caller: str) -> None:
        """Count a read; raises `BotStrained` for callers that read too often."""


class AuditTrail(Protocol):
    """Stores audit entries in the background."""

    def record(self, entry: NewEntry) -> None:
        """Log an entry and queue it for the store; never waits."""

    def is_repeat(self, caller: str, action: str, status: int) -> bool:
        """Return whether the same refusal was stored less than a minute ago."""

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until everything recorded before is stored; False on timeout."""

    def close(self) -> None:
        """Store the queued entries and end."""


class SocketAdmission(Protocol):
    """Limits on the WebSockets of an app; `acquire…` raise `StreamsFull`."""

    @property
    def closing(self) -> bool:
        """Whether requests about orders are no longer accepted."""

    def acquire(self) -> StreamSlot:
        """Acquire a slot for a connection."""

    def acquire_unauthenticated(self) -> StreamSlot:
        """Acquire a slot for a client that has not authenticated yet."""

    def close(self) -> None:
        """Accept no more requests about orders."""


@dataclass(frozen=True)
class Services:
    """The parts of one app; two apps in one process share none that was made for one of them.

    `rate_limits` is None where they are disabled.
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
    tickets: TicketStore[Principal]
    sockets: SocketAdmission

    def close(self) -> None:
        """Close the parts made for the app; the bridge, the hub and the database stay open."""
        self.sockets.close()
        self.audit.close()
        self.reports.close()
        self.identity.close()


def install_services(app: Flask, parts: Services) -> None:
    """Store an app's services in it."""
    app.extensions[_EXTENSION] = parts


def services_of(app: Flask) -> Services:
    """Return the services of an app."""
    return cast(Services, app.extensions[_EXTENSION])


def services() -> Services:
    """Return the services of the app that serves the present request."""
    # the app object: Flask's proxy looks it up for each attribute, which costs as much as
    # a view's line
    return services_of(current_app._get_current_object())  # type: ignore[attr-defined]  # Flask's own way
