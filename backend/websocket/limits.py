"""How many WebSockets there may be, and how many of them of strangers."""

from __future__ import annotations

from typing import cast

from flask import Flask, current_app

from backend.settings.model import Settings
from backend.streams.connection_limits import Seat, Seats

_EXTENSION = "sockets"
_STRANGER = "stranger"


class Sockets:
    """The bounds of one app, and whether it still takes requests.

    Who has not said yet who they are gets a quarter of the room at most, so that
    strangers keep nobody else out.
    """

    def __init__(self, most: int) -> None:
        self._all = Seats(most, most + 1)
        self._strangers = Seats(max(1, most // 4), most + 1)
        self.closing = False

    def admit(self) -> Seat:
        """Count one socket; raises `StreamsFull`."""
        return self._all.take(_STRANGER)

    def admit_stranger(self) -> Seat:
        """Count one socket whose client is not known yet; raises `StreamsFull`."""
        return self._strangers.take(_STRANGER)

    def close(self) -> None:
        """Take no more requests: the bot is about to stop."""
        self.closing = True


def install_sockets(app: Flask, settings: Settings) -> Sockets:
    """Give an app its bounds; close what this returns at the end."""
    app.extensions[_EXTENSION] = sockets = Sockets(settings.socket_clients)
    return sockets


def current_sockets() -> Sockets:
    """Return the bounds of the app that serves the present request."""
    return cast(Sockets, current_app.extensions[_EXTENSION])
