"""Events to clients: sequence, replay, fan-out. Knows no views and no bot."""

from backend.streams.event_log import Selection
from backend.streams.hub import Hub
from backend.streams.intervals import Intervals
from backend.streams.log_topic import LogTopic
from backend.streams.response_body import StreamBody
from backend.streams.subscriber import StreamOwner
from backend.streams.tickets import TICKET_S, Tickets

__all__ = [
    "TICKET_S",
    "Hub",
    "Intervals",
    "LogTopic",
    "Selection",
    "StreamBody",
    "StreamOwner",
    "Tickets",
]
