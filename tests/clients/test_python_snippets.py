"""The Python snippets of docs/clients.md, run as one program."""

from __future__ import annotations

import sys

from benchmarks.live import LiveServer
from tests.clients.doc_snippets import code_blocks
from tests.clients.process_output import lines_of


def test_they_log_in_trade_and_watch(server: LiveServer) -> None:
    program = "\n\n".join(code_blocks("docs/clients.md", "python", server))
    with lines_of([sys.executable, "-u", "-c", program]) as lines:
        assert lines.wait_for_start("worth").endswith("USDT")
        assert lines.wait_for_start("order").endswith("filled")
        lines.wait_for_start("snapshot prices")
        lines.wait_for_start("price_update BTC/USDT")


def test_the_stream_comes_back_where_it_was_lost(server: LiveServer) -> None:
    first, second = code_blocks("docs/clients.md", "python", server)
    watching = second[: second.index("for name, data in watch")]
    told = watching.replace("yield name, json.loads(value)", "yield name, last_id")
    # the connection is lost after each price
    lossy = told.replace(
        "yield name, last_id",
        "yield name, last_id\n"
        "                        if name == 'price_update':\n"
        "                            raise httpx.ReadError('lost')",
    )
    with lines_of(_program(first, told)) as whole:
        whole.wait_for_start("snapshot")
        with lines_of(_program(first, lossy)) as broken:
            got = [broken.wait_for_start("price_update") for _ in range(4)]
        whole.wait_for(got[-1].__eq__, f"is {got[-1]}")
    assert got == whole.seen[whole.seen.index(got[0]) :]
    assert not [line for line in broken.seen if line.startswith("reset")]


def _program(*blocks: str) -> list[str]:
    printing = "for name, place in watch('prices'):\n    print(name, place)\n"
    return [sys.executable, "-u", "-c", "\n".join([*blocks, printing])]
