"""Evaluator events: publishes the evaluations of OctoBot's strategies as they change."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import octobot_evaluators.constants as evaluator_constants
import octobot_evaluators.evaluators.channel as evaluator_channels
import octobot_evaluators.matrix as matrices
import orjson
from octobot_commons.enums import TimeFrames
from octobot_evaluators.enums import EvaluatorMatrixTypes

from backend.bridge.octobot.exchange import OPTIONAL_PRIORITY
from backend.bridge.read_models.event_data import event_data, masked_text
from backend.ports.events import Event, EventSink

_TYPES = frozenset(kind.value for kind in EvaluatorMatrixTypes)
_INTERVALS = frozenset(frame.value for frame in TimeFrames)


class EvaluatorEvents:
    """Publishes each change in the matrix of evaluations; runs on the bot's loop."""

    def __init__(self, sink: EventSink) -> None:
        self._sink = sink

    async def begin(self, matrix_id: str) -> None:
        """Load the evaluations of a bot that has booted, and consume later ones."""
        matrix = matrices.Matrices.instance().get_matrix(matrix_id).matrix
        self._sink.replace_snapshot("evaluators", dict(_evaluations(matrix.root, ())))
        channel = evaluator_channels.get_chan(evaluator_constants.MATRIX_CHANNEL, matrix_id)
        await channel.new_consumer(self._on_evaluation, priority_level=OPTIONAL_PRIORITY)

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


def _evaluations(
    node: Any, path: tuple[str, ...]
) -> Iterator[tuple[str, tuple[str | None, bytes]]]:
    """Yield the evaluations of a node of the matrix and of those below it."""
    if node.node_value is not None and len(path) > (1 if path[0] in _TYPES else 2):
        yield _evaluation(path, node.node_value, None)
    for name, child in node.children.items():
        yield from _evaluations(child, (*path, str(name)))


def _evaluation(
    path: tuple[str, ...], note: Any, description: object
) -> tuple[str, tuple[str | None, bytes]]:
    """Return key, symbol and data of an evaluation; `path` is its place in the matrix."""
    exchange = None if path[0] in _TYPES else path[0]
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
            "description": masked_text(description) if description else None,
        }
    )
    return " ".join(path), (symbol, event_data(exchange, symbol, "evaluator", json))


def _note(note: Any) -> object:
    """Convert a note to JSON; strategies use numbers, strings and other objects."""
    if note is None or isinstance(note, bool):
        return note
    if isinstance(note, int | float | Decimal):
        number = float(note)
        return number if math.isfinite(number) else None
    return masked_text(note)
