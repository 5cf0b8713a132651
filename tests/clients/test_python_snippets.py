"""The Python snippets of docs/clients.md, run as one program."""

from __future__ import annotations

import sys

from benchmarks.live import LiveServer
from tests.clients.lines import lines_of
from tests.clients.snippets import code_blocks


def test_they_log_in_trade_and_watch(server: LiveServer) -> None:
    program = "\n\n".join(code_blocks("docs/clients.md", "python", server))
    with lines_of([sys.executable, "-u", "-c", program]) as lines:
        assert lines.wait_for_start("worth").endswith("USDT")
        assert lines.wait_for_start("order").endswith("filled")
        lines.wait_for_start("snapshot prices")
        lines.wait_for_start("price_update BTC/USDT")


def test_the_stream_comes_back_where_it_was_lost(server: LiveServer) -> None:
    first, second = code_blocks("docs/clients.md", "python", server)
    # the connection is lost after each line that holds a price
    lossy = second.replace(
        "yield name, json.loads(value)",
        "yield name, last_id\n"
        "                        if name == 'price_update':\n"
        "                            raise httpx.ReadError('lost')",
    )
    printing = lossy[: lossy.index("for name, data in watch")]
    program = f"{first}\n{printing}\nfor name, place in watch('prices'):\n    print(name, place)\n"
    with lines_of([sys.executable, "-u", "-c", program]) as lines:
        lines.wait_for_start("snapshot")
        places = [_sequence(lines.wait_for_start("price_update")) for _ in range(4)]
    assert places == list(range(places[0], places[0] + 4))
    assert not [line for line in lines.seen if line.startswith("reset")]


def _sequence(line: str) -> int:
    return int(line.rpartition("-")[2])
