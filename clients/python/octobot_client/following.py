"""Follows a stream across lost connections, restarts and expired tokens: nothing twice, no gap."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping

from octobot_client.errors import ApiError, ConnectionFailed
from octobot_client.events import Event, Parser
from octobot_client.session import Session

SILENCE_S = 40.0
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0


class Following:
    """An endless iterator of events; `last_id` is the place to go on from another time.

    Iterating raises `AuthenticationFailed` when nobody is logged in any more, and
    `Forbidden` or `InvalidRequest` when what was asked for cannot be had. All else
    is waited for, longer each time.
    """

    def __init__(self, session: Session, params: Mapping[str, str], last_id: str | None) -> None:
        self.last_id = last_id
        self._session = session
        self._params = params
        self._failures = 0

    def __iter__(self) -> Iterator[Event]:
        """Yield events for ever."""
        while True:
            wait_s: float | None = None
            try:
                yield from self._connection()
            except ConnectionFailed:
                pass
            except ApiError as error:
                if not _passes(error):
                    raise
                wait_s = error.retry_after_s
            self._failures += 1
            time.sleep(self._pause_s() if wait_s is None else wait_s)

    def _connection(self) -> Iterator[Event]:
        headers = {} if self.last_id is None else {"Last-Event-ID": self.last_id}
        parser = Parser()
        with self._session.stream("/stream", self._params, headers, SILENCE_S) as answer:
            for data in answer.iter_bytes():
                self._failures = 0
                for event in parser.feed(data):
                    if event.name == "end":
                        if event.data.get("reason") != "server_stopping":
                            self._session.renew()  # with a new token it may go on
                        return
                    self.last_id = event.id or self.last_id
                    yield event

    def _pause_s(self) -> float:
        """Return how long to wait, with some chance in it: not all clients at the same moment."""
        longest: float = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(self._failures - 1, 10))
        return longest * random.uniform(0.5, 1)  # noqa: S311 - no secret


def _passes(error: ApiError) -> bool:
    return error.status >= 500 or error.status == 429
