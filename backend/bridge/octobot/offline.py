"""Offline operation of OctoBot: environment set before its import, no community session.

Import this module before any `octobot*` package: they read the environment when imported.
"""

from __future__ import annotations

import asyncio
import os

# ENABLE_CLOCK_SYNCH runs `sudo service ntp stop`; ENABLE_CERTIFI_SSL_CERTIFICATES fetches
# a file from OctoBot's tentacle server at each boot to see whether certificates work.
_SWITCHES = {
    "ENABLE_CLOCK_SYNCH": "false",
    "ENABLE_CERTIFI_SSL_CERTIFICATES": "false",
    "UPLOAD_ERRORS": "false",
    "ERROR_TRACKER_DSN": "",
}
for _name, _value in _SWITCHES.items():
    os.environ.setdefault(_name, _value)

from octobot.community import CommunityAuthentication  # noqa: E402 - the switches come first


class OfflineCommunity(CommunityAuthentication):  # type: ignore[misc] # OctoBot is untyped
    """A community session that is never opened: no login, no requests."""

    def init_account(self, fetch_private_data: bool) -> None:
        """Set the initialized event at once, so that nothing waits for a login."""
        self.initialized_event = asyncio.Event()
        self.initialized_event.set()

    def is_using_the_current_loop(self) -> bool:
        """Return True: there is no session to move to another loop."""
        return True

    def is_initialized(self) -> bool:
        """Return False, so that every boot sets the event anew: events belong to one loop."""
        return False
