"""Events to clients: sequence, replay, fan-out. Knows no views and no bot."""

from backend.streams.body import StreamBody
from backend.streams.client import Holder
from backend.streams.hub import Hub
from backend.streams.log import Selection
from backend.streams.log_lines import LogLines
from backend.streams.tickets import TICKET_S, Tickets
from backend.streams.upkeep import Pace

__all__ = ["TICKET_S", "Holder", "Hub", "LogLines", "Pace", "Selection", "StreamBody", "Tickets"]
