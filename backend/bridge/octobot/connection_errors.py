"""Detection of failed exchange connections, which OctoBot only logs."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator


class _ConnectionErrors(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        if "No configured trading mode" not in record.getMessage():
            self.count += 1

    def __bool__(self) -> bool:
        return self.count > 0


@contextlib.contextmanager
def failed_connections() -> Iterator[_ConnectionErrors]:
    """Count the connections that OctoBot gives up inside the block: it raises nothing."""
    logger = logging.getLogger("OctoBotChannelTradingConsumer")
    handler = _ConnectionErrors()
    logger.addHandler(handler)
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
