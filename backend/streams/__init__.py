"""Events to clients: sequence, replay, fan-out. Knows no views and no bot."""

from backend.streams.event_log import Selection
from backend.streams.hub import Hub
from backend.streams.log_topic import LogLines
from backend.streams.pace import Pace
from backend.streams.response_body import StreamBody
from backend.streams.subscriber import Holder
from backend.streams.tickets import TICKET_S, Tickets

__all__ = ["TICKET_S", "Holder", "Hub", "LogLines", "Pace", "Selection", "StreamBody", "Tickets"]
