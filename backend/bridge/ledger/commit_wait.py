"""Wait of a command until its changes are durable."""

from __future__ import annotations

import contextlib
import time

from backend.bridge.ledger.outbox import Outbox
from backend.concurrency.host import Host
from backend.errors import OrderStateUnknown

WAIT_S = 60.0
LOOK_S = 0.5
DONE_UNWRITTEN = "it was done, but the journal cannot be written"


def wait_until_durable(outbox: Outbox, host: Host) -> None:
    """Wait until everything queued so far is committed.

    Raises `OrderStateUnknown` when the journal cannot be written: the command was
    carried out all the same.
    """
    done = outbox.flush()
    deadline = time.monotonic() + WAIT_S
    while outbox.healthy and time.monotonic() < deadline:
        with contextlib.suppress(TimeoutError):
            return host.wait(done, LOOK_S)
    raise OrderStateUnknown(DONE_UNWRITTEN)
