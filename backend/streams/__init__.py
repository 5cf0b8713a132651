"""Event streams: ids and replay, fan-out to subscribers, SSE and WebSocket encodings.

Independent of views and of the bot: events arrive through `ports.EventSink`, which the
Hub implements. Order of the parts, as an event passes them: hub (the streams' thread),
dispatcher, event_log and topic_state, subscriber_groups, encodings, writers.
"""

from backend.streams.hub import Hub
from backend.streams.intervals import Intervals
from backend.streams.log_topic import LogTopic
from backend.streams.response_body import StreamBody
from backend.streams.selection import Selection
from backend.streams.subscriber import StreamOwner
from backend.streams.tickets import TICKET_LIFETIME_S, TicketStore

__all__ = [
    "TICKET_LIFETIME_S",
    "Hub",
    "Intervals",
    "LogTopic",
    "Selection",
    "StreamBody",
    "StreamOwner",
    "TicketStore",
]
