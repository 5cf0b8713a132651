"""The browser snippets of docs/clients.md: the requests under node, all of them in chromium."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.live import LiveServer
from tests.clients.doc_snippets import ROOT, code_blocks
from tests.clients.process_output import Lines, lines_of
from tests.streams.stream_client import wait_until

PAGE = """<!doctype html>
<title>snippets</title>
<script>
const say = (...words) => fetch("/say", { method: "POST", body: words.join(" ") });
console.log = say;
console.error = (...words) => say("error", ...words);
addEventListener("error", (event) => say("error", event.message));
addEventListener("unhandledrejection", (event) => say("error", event.reason));
</script>
<script type="module">
%s
</script>
"""
HEADLESS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]


class Page(http.server.BaseHTTPRequestHandler):
    """Serves one page and hears what it says."""

    content: bytes
    lines: Lines

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(self.content)

    def do_POST(self) -> None:
        self.lines.put(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def page(server: LiveServer, page_port: int) -> Iterator[tuple[str, Lines]]:
    """The address of a page that holds the snippets, and what it says."""
    script = "\n".join(code_blocks("docs/clients.md", "js", server))
    handler = type("ThisPage", (Page,), {"content": (PAGE % script).encode(), "lines": Lines()})
    with http.server.ThreadingHTTPServer(("127.0.0.1", page_port), handler) as pages:
        thread = threading.Thread(target=pages.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{page_port}/", handler.lines
        pages.shutdown()
        thread.join()


def test_the_requests_run_under_node(server: LiveServer, program: Callable[..., str]) -> None:
    calls, trading, _watching = code_blocks("docs/clients.md", "js", server)
    command = [program("node"), "--input-type=module", "--eval", calls + trading]
    with lines_of(command) as lines:
        assert lines.wait_for_start("worth").endswith("USDT")
        assert lines.wait_for_start("order").endswith("filled")


def test_the_modules_readme_is_true(server: LiveServer, program: Callable[..., str]) -> None:
    order = {"symbol": "BTC/USDT", "side": "buy", "type": "market", "quantity": "0.001"}
    with server.client() as trader:
        trader.post("/orders", json=order).raise_for_status()
        wait_until(lambda: trader.get("/trades/history").json()["data"])
    [code] = code_blocks("clients/js/README.md", "js", server)
    asking, _, following = code.partition("const stream =")
    module = (ROOT / "clients" / "js" / "octobot-client.js").as_uri()
    asking = asking.replace("./octobot-client.js", module)
    assert "client.stream(" in following
    with lines_of([program("node"), "--input-type=module", "--eval", asking]) as lines:
        assert float(lines.wait_for_start("worth").split()[1]) > 0
        assert lines.wait_for_start("order").split()[2] in ("open", "filled")
        assert float(lines.wait_for_start("trade").split()[2]) > 0


def test_all_of_them_run_in_a_browser_on_another_origin(
    page: tuple[str, Lines], program: Callable[..., str], tmp_path: Path
) -> None:
    browser = program("chromium", "chromium-browser", "google-chrome")
    address, said = page
    with lines_of([browser, *HEADLESS, f"--user-data-dir={tmp_path}", address]):
        assert said.wait_for_start("worth").endswith("USDT")
        assert said.wait_for_start("order").endswith("filled")
        said.wait_for_start("snapshot prices")
        said.wait_for_start("price_update BTC/USDT")
    assert not [line for line in said.seen if line.startswith("error")], json.dumps(said.seen)
