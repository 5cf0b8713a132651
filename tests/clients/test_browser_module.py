"""clients/js in a headless browser, against a server that is killed under it."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from octobot_client import Client

from tests.clients.doc_snippets import ROOT
from tests.clients.process_output import Lines, lines_of
from tests.clients.restartable_server import RestartableServer
from tests.clients.test_browser_snippets import HEADLESS, Page

pytestmark = pytest.mark.long

MODULES = ROOT / "clients" / "js"
PAGE = """<!doctype html>
<title>module</title>
<script type="module">
import { ApiError, OctoBotClient } from "./octobot-client.js";

let last = Promise.resolve();
const say = (...words) => (last = last.then(() =>
  fetch("/say", { method: "POST", body: words.join(" ") })));
addEventListener("unhandledrejection", (event) => say("broken", event.reason));
addEventListener("error", (event) => say("broken", event.message));

const client = new OctoBotClient("%(url)s");
try { await client.portfolio(); } catch (error) { say("stranger", error.type); }
try { await client.login("admin", "wrong password"); } catch (error) { say("wrong", error.type); }
const user = await client.login("admin", "%(password)s");
say("user", user.username);
say("worth", (await client.portfolio()).total_value);

const price = Number((await client.call("GET", "/tickers/BTC-USDT")).price);
const limit = { symbol: "BTC/USDT", side: "buy", type: "limit", quantity: "0.001",
  price: String(Math.floor(price * 0.8)) };
const order = await client.createOrder(limit, "one-key");
const twin = await client.createOrder(limit, "one-key");
say("order", order.status, order.id === twin.id);
const changed = await client.editOrder(order.id, { price: String(Math.floor(price * 0.7)) });
say("canceled", (await client.cancelOrder(changed.id)).status);
try {
  await client.createOrder({ ...limit, quantity: "0" });
} catch (error) {
  say("refused", error instanceof ApiError, error.status, error.fields[0].field);
}
await client.createOrder(limit);
const ids = [];
for await (const row of client.list("/orders", { status: "all", limit: "1" })) ids.push(row.id);
say("listed", ids.length, new Set(ids).size);

const stream = client.stream({ topics: ["orders", "trades"] });
stream.on("*", (data, { name, id }) => {
  const what = data.order ?? data.trade;
  if (what) say("event", JSON.stringify([name, what.id, what.status ?? null]));
  else say(name, data.topic ?? "", id);
});
</script>
"""


class ModulePage(Page):
    """Serves the page and the modules."""

    def do_GET(self) -> None:
        if not self.path.endswith(".js"):
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/javascript")
        self.end_headers()
        self.wfile.write((MODULES / Path(self.path).name).read_bytes())


@pytest.fixture
def server(tmp_path: Path, page_port: int) -> Iterator[RestartableServer]:
    """A server whose tokens are soon spent, and whose prices stand still."""
    origin = f"http://127.0.0.1:{page_port}"
    server = RestartableServer(tmp_path, token_expiry=2, sandbox_speed=1e-6, cors_origins=origin)
    yield server
    server.close()


@pytest.fixture
def said(
    server: RestartableServer, page_port: int, program: Callable[..., str], tmp_path: Path
) -> Iterator[Lines]:
    """Output of a browser that has the page open."""
    browser = program("chromium", "chromium-browser", "google-chrome")
    content = PAGE % {"url": server.server.url, "password": server.server.password}
    handler = type("ThisPage", (ModulePage,), {"content": content.encode(), "lines": Lines()})
    with ThreadingHTTPServer(("127.0.0.1", page_port), handler) as pages:
        thread = threading.Thread(target=pages.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{page_port}/"
        with lines_of([browser, *HEADLESS, f"--user-data-dir={tmp_path / 'browser'}", address]):
            yield handler.lines
        pages.shutdown()
        thread.join()


def test_a_browser_trades_and_follows_across_a_kill(server: RestartableServer, said: Lines) -> None:
    assert said.wait_for_start("stranger") == "stranger not_authenticated"
    assert said.wait_for_start("wrong") == "wrong invalid_credentials"
    assert said.wait_for_start("user") == "user admin"
    assert float(said.wait_for_start("worth").split()[1]) > 0
    assert said.wait_for_start("order") == "order open true"
    assert said.wait_for_start("canceled") == "canceled canceled"
    assert said.wait_for_start("refused") == "refused true 400 quantity"
    _, listed, different = said.wait_for_start("listed").split()
    assert listed == different
    began = said.wait_for_start("snapshot trades").split()[-1]
    with Client(server.server.url, username="admin", password=server.server.password) as client:
        [resting] = client.orders.list()
        client.orders.create("BTC/USDT", "buy", "market", "0.001")
        said.wait_for_start('event ["trade"')
        server.stop(signal.SIGKILL)
        said.wait_for_start("closed")
        server.start()
        said.wait_for_start("open")
        client.orders.cancel(resting.id)
        said.wait_for(lambda line: "order_canceled" in line and resting.id in line, "cancels")
        # each token is good for two seconds: the stream goes on with another one
        said.wait_for_start("closed")
        said.wait_for_start("open")
        final = client.orders.create("BTC/USDT", "buy", "limit", "0.001", price=resting.price or 1)
        said.wait_for(lambda line: final.id in line, "tells of the last order")
        happened = [
            [event.name, what["id"], what.get("status")]
            for event in client.events(began, ["orders", "trades"])
            if (what := event.data.get("order") or event.data["trade"])
        ]
    told = [json.loads(line[6:]) for line in said.seen if line.startswith("event ")]
    assert told == happened
    assert not [line for line in said.seen if line.startswith(("broken", "reset"))], said.seen
