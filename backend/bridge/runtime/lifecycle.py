"""BotLifecycle: callbacks of the bot's runner at each start, stop and change of state."""

from __future__ import annotations

from typing import Protocol

from backend.bridge.octobot.in_memory_keys import InMemoryKeysConfiguration
from backend.bridge.status import Status


class BotLifecycle(Protocol):
    """Lifecycle hooks of a bot, implemented by the owner of the bridge's parts."""

    def add_keys(self, configuration: InMemoryKeysConfiguration) -> None:
        """Add the stored API keys to a bot's configuration before it is created. Bot's thread.

        Raises `BootFailed` when the bot cannot start with the stored keys.
        """

    async def restore(self) -> None:
        """Bring a bot whose exchanges are ready to the state of the journal. Loop only.

        Raises `BootFailed` for failures that the runner retries after a while.
        """

    def on_status(self, status: Status) -> None:
        """Store and publish a new state, in the order of the changes; from any thread."""

    def wait_until_durable(self) -> None:
        """Wait until the stored changes survive a kill; raises `OrderStateUnknown`."""
