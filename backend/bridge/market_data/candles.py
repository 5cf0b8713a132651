"""What the market, the strategies and OctoBot itself tell: candles, evaluations, notifications."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import async_channel.channels as channels
import octobot_evaluators.constants as evaluator_constants
import octobot_evaluators.evaluators.channel as evaluator_channels
import octobot_evaluators.matrix as matrices
import octobot_services.api as services_api
import octobot_services.channel as service_channels
import octobot_trading.exchange_channel as exchange_channel
import orjson
from async_channel.enums import ChannelConsumerPriorityLevels
from async_channel.util import channel_creator
from octobot_commons.enums import TimeFrames
from octobot_evaluators.enums import EvaluatorMatrixTypes
from octobot_trading.constants import KLINE_CHANNEL, OHLCV_CHANNEL

from backend.bridge.octobot.conversion import ZERO, decimal_or_none, utc
from backend.bridge.read_models.event_data import event_data
from backend.observability.masking import masked
from backend.ports.events import Event, EventSink
from backend.schemas.markets import Candle

_PRIORITY = ChannelConsumerPriorityLevels.OPTIONAL.value  # see watch.py
_MOST_TEXT = 2000
_SLOTS = 100
_KINDS = frozenset(kind.value for kind in EvaluatorMatrixTypes)
_INTERVALS = frozenset(frame.value for frame in TimeFrames)


class Signals:
    """Consumes these channels; all of it runs on the bot's loop."""

    def __init__(self, sink: EventSink) -> None:
        self._sink = sink
        self._running: dict[str, tuple[float, bytes]] = {}
        self._told = 0

    async def begin(self, bot: Any) -> None:
        """Listen to a bot that has booted: to what strategies evaluate, and to notifications."""
        self._running.clear()
        self._sink.replace_snapshot("candles", {})
        await self._follow_evaluators(bot.evaluator_producer.matrix_id)
        await self._follow_notifications()

    async def watch(self, manager: Any) -> None:
        """Listen to the candles of an exchange that the bot follows."""
        for name, callback in ((KLINE_CHANNEL, self._on_kline), (OHLCV_CHANNEL, self._on_closed)):
            channel = exchange_channel.get_chan(name, manager.id)
            await channel.new_consumer(callback, priority_level=_PRIORITY)

    # ---- candles

    async def _on_kline(
        self, *, exchange: str, symbol: str, time_frame: str, kline: list[float], **_: Any
    ) -> None:
        self._tell_candle(exchange, symbol, time_frame, kline, closed=False)

    async def _on_closed(
        self, *, exchange: str, symbol: str, time_frame: str, candle: list[float], **_: Any
    ) -> None:
        self._tell_candle(exchange, symbol, time_frame, candle, closed=True)

    def _tell_candle(
        self, exchange: str, symbol: str, interval: str, row: list[float], *, closed: bool
    ) -> None:
        """Publish a candle; one that closes after the next has begun leaves that one on show."""
        key = f"{exchange} {symbol} {interval}"
        json = _candle(row, closed=closed).model_dump_json().encode()
        data = event_data(exchange, symbol, "candle", json, interval)
        shown = self._running.get(key)
        if shown is None or shown[0] <= row[0]:
            shown = self._running[key] = (row[0], data)
        self._sink.publish(Event("candles", "candle", key, symbol, data, shown[1]))

    # ---- evaluations

    async def _follow_evaluators(self, matrix_id: str) -> None:
        matrix = matrices.Matrices.instance().get_matrix(matrix_id).matrix
        self._sink.replace_snapshot("evaluators", dict(_standing(matrix.root, ())))
        channel = evaluator_channels.get_chan(evaluator_constants.MATRIX_CHANNEL, matrix_id)
        await channel.new_consumer(self._on_evaluation, priority_level=_PRIORITY)

    async def _on_evaluation(
        self,
        *,
        evaluator_name: str,
        evaluator_type: str,
        eval_note: Any,
        exchange_name: str | None,
        cryptocurrency: str | None,
        symbol: str | None,
        time_frame: str | None,
        **more: Any,
    ) -> None:
        where = (exchange_name, evaluator_type, evaluator_name, cryptocurrency, symbol, time_frame)
        path = tuple(str(getattr(part, "value", part)) for part in where if part not in (None, "*"))
        key, (symbol, data) = _evaluation(path, eval_note, more.get("eval_note_description"))
        self._sink.publish(Event("evaluators", "evaluator_updated", key, symbol, data, data))

    # ---- notifications

    async def _follow_notifications(self) -> None:
        """Listen as a notifier does, also where there is none."""
        name = service_channels.NotificationChannel.get_name()
        try:
            channel = channels.get_chan(name)
        except KeyError:
            channel = await channel_creator.create_channel_instance(
                service_channels.NotificationChannel, channels.set_chan
            )
            producer = service_channels.NotificationChannelProducer.instance(channel)
            await channel.register_producer(producer)
        await channel.new_consumer(self._on_notification, priority_level=_PRIORITY)
        await services_api.process_pending_notifications()

    async def _on_notification(self, *, notification: Any, **_: Any) -> None:
        self._told += 1
        json = orjson.dumps(
            {
                "title": _text(notification.title),
                "text": _text(notification.text),
                "level": notification.level.value,
                "category": notification.category.value,
            }
        )
        data = event_data(None, None, "notification", json)
        key = str(self._told % _SLOTS)
        self._sink.publish(Event("notifications", "notification", key, None, data, data))


def _candle(row: list[float], *, closed: bool) -> Candle:
    start, first, high, low, last, volume = row[:6]
    numbers = (decimal_or_none(value) or ZERO for value in (first, high, low, last, volume))
    return Candle(
        time=utc(start),
        **dict(zip(("open", "high", "low", "close", "volume"), numbers, strict=True)),
        closed=closed,
    )


def _standing(node: Any, path: tuple[str, ...]) -> Iterator[tuple[str, tuple[str | None, bytes]]]:
    """Walk what strategies evaluated before anybody listened."""
    if node.node_value is not None and len(path) > (1 if path[0] in _KINDS else 2):
        yield _evaluation(path, node.node_value, None)
    for name, child in node.children.items():
        yield from _standing(child, (*path, str(name)))


def _evaluation(
    path: tuple[str, ...], note: Any, description: object
) -> tuple[str, tuple[str | None, bytes]]:
    """Return key, symbol and data of an evaluation, told apart by what OctoBot files it under."""
    exchange = None if path[0] in _KINDS else path[0]
    kind, name, *about = path if exchange is None else path[1:]
    symbol = next((part for part in about if "/" in part), None)
    interval = next((part for part in about if part in _INTERVALS), None)
    cryptocurrency = next((part for part in about if part not in (symbol, interval)), None)
    json = orjson.dumps(
        {
            "name": name,
            "type": kind,
            "cryptocurrency": cryptocurrency,
            "interval": interval,
            "note": _note(note),
            "description": _text(description) if description else None,
        }
    )
    return " ".join(path), (symbol, event_data(exchange, symbol, "evaluator", json))


def _note(note: Any) -> object:
    """Return a note as JSON can hold it; strategies give numbers, words and more."""
    if note is None or isinstance(note, bool):
        return note
    if isinstance(note, int | float | Decimal):
        number = float(note)
        return number if math.isfinite(number) else None
    return _text(note)


def _text(text: object) -> str:
    return masked(str(text))[:_MOST_TEXT]
