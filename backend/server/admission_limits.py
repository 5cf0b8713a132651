"""Limits on open connections, computed from the limit on open files that is in force."""

from __future__ import annotations

import resource
from dataclasses import dataclass

import structlog

MAX_CLOSING = 64
"""Evicted connections that may still hold their descriptors: one is closed a moment later."""
LOCAL_RESERVE = 32
_MAX_REQUEST_CONNECTIONS = 10_000
_MAX_STREAMS = 10_000
_DEFAULT_PER_ADDRESS = 1000
_NO_LIMIT = 10_000_000

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class AdmissionLimits:
    """Most connections at once: in all, of one address (IPv6: /64), of one IPv6 /48 network.

    `descriptors` is how many the connections may hold together: a stream under TLS holds
    three. `local_reserve` connections of this machine get in when `total` is reached.
    """

    total: int
    per_address: int
    per_site: int
    descriptors: int
    open_files: int
    local_reserve: int = LOCAL_RESERVE


def open_files_limit() -> int:
    """Return how many descriptors this process may have open."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _NO_LIMIT if soft == resource.RLIM_INFINITY else min(soft, _NO_LIMIT)


def admission_limits(
    open_files: int,
    max_connections: int | None = None,
    max_per_address: int | None = None,
    max_streams: int = _MAX_STREAMS,
) -> AdmissionLimits:
    """Return the limits under `open_files` descriptors; None takes the default.

    A quarter of the descriptors, 64 to 1024, is left to the rest of the process: the bot's
    sockets, databases, logs and files.
    """
    rest_of_process = min(max(open_files // 4, 64), 1024)
    descriptors = max(open_files - rest_of_process - 2 * MAX_CLOSING, 2 * LOCAL_RESERVE)
    possible = descriptors - LOCAL_RESERVE
    wanted = max_connections or _MAX_REQUEST_CONNECTIONS + max_streams
    total = min(wanted, possible)
    if max_connections is not None and total < max_connections:
        _log.warning(
            "BACKEND_MAX_CONNECTIONS is more than the limit on open files allows",
            open_files=open_files,
            total=total,
        )
    per_address = max_per_address or max(1, min(_DEFAULT_PER_ADDRESS, total // 4))
    per_site = max(per_address, min(4 * per_address, total // 2))
    return AdmissionLimits(total, per_address, per_site, descriptors, open_files)
