"""Notification events: publishes the messages that OctoBot would send its user."""

from __future__ import annotations

from typing import Any

import async_channel.channels as channels
import octobot_services.api as services_api
import octobot_services.channel as service_channels
import orjson
from async_channel.util import channel_creator

from backend.bridge.octobot.exchange import OPTIONAL_PRIORITY
from backend.bridge.read_models.event_data import event_data, masked_text
from backend.ports.events import Event, EventSink

_KEPT = 100
"""The number of notifications in the topic's snapshot: each takes the key of an old one."""


class NotificationEvents:
    """Publishes OctoBot's notifications; runs on the bot's loop."""

    def __init__(self, sink: EventSink) -> None:
        self._sink = sink
        self._count = 0

    async def begin(self) -> None:
        """Consume notifications as a notifier does, also where none is configured."""
        name = service_channels.NotificationChannel.get_name()
        try:
            channel = channels.get_chan(name)
        except KeyError:
            channel = await channel_creator.create_channel_instance(
                service_channels.NotificationChannel, channels.set_chan
            )
            producer = service_channels.NotificationChannelProducer.instance(channel)
            await channel.register_producer(producer)
        await channel.new_consumer(self._on_notification, priority_level=OPTIONAL_PRIORITY)
        await services_api.process_pending_notifications()

    async def _on_notification(self, *, notification: Any, **_: Any) -> None:
        self._count += 1
        json = orjson.dumps(
            {
                "title": masked_text(notification.title),
                "text": masked_text(notification.text),
                "level": notification.level.value,
                "category": notification.category.value,
            }
        )
        data = event_data(None, None, "notification", json)
        key = str(self._count % _KEPT)
        self._sink.publish(Event("notifications", "notification", key, None, data, data))
