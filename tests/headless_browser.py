"""A real browser that is told what to do, over its debugging pipe, and tells what it refused."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import queue
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

WITHIN_S = 60
_FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--no-first-run", "--ignore-certificate-errors", "--remote-debugging-pipe"),
)
# fd 3 and 4 are where the browser listens and speaks
_START = 'exec "$@" 3<&"$LISTEN" 4>&"$SPEAK"'


class Page:
    """One tab. `complaints` are what the console and the security checks said against it."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self.complaints: list[str] = []
        self._out = to_browser
        self._count = 0
        self._session: str | None = None
        self._answers: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        reader = threading.Thread(target=self._read, args=(from_browser,), daemon=True)
        reader.start()
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Runtime", "Log", "Page"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and return its result."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while (answer := self._answers.get(timeout=WITHIN_S))["id"] != self._count:
            pass
        assert "error" not in answer, answer
        return answer["result"]

    def open(self, address: str) -> None:
        self.ask("Page.navigate", url=address)

    def run(self, script: str) -> Any:
        """Return what an expression gives in the page; an element is only true."""
        value = f"((found) => found instanceof Node || found)({script})"
        found = self.ask("Runtime.evaluate", expression=value, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait_for(self, script: str) -> Any:
        """Wait until an expression gives something true, and return it."""
        deadline = time.monotonic() + WITHIN_S
        while not (value := self.run(script)):
            assert time.monotonic() < deadline, (script, self.complaints)
            time.sleep(0.05)
        return value

    def click(self, selector: str) -> None:
        """Click on an element once it is there."""
        found = self.wait_for(f"document.querySelector({json.dumps(selector)})") and selector
        self.run(f"document.querySelector({json.dumps(found)}).click()")

    def _read(self, pipe: int) -> None:
        rest = b""
        with contextlib.suppress(OSError):
            while data := os.read(pipe, 1 << 20):
                *messages, rest = (rest + data).split(b"\0")
                for message in messages:
                    self._take(json.loads(message))

    def _take(self, message: dict[str, Any]) -> None:
        if "id" in message:
            self._answers.put(message)
        elif message["method"] == "Log.entryAdded":
            entry = message["params"]["entry"]
            if entry["level"] in ("warning", "error"):
                self.complaints.append(f"{entry['source']}: {entry['text']}")
        elif message["method"] == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(message["params"]["exceptionDetails"]))


@contextlib.contextmanager
def open_browser(program: str, profile: Path) -> Iterator[Page]:
    """Start a browser with one tab, and end it."""
    listen, to_browser = _high_pipe()
    from_browser, speak = _high_pipe()
    process = subprocess.Popen(
        ["bash", "-c", _START, "browser", program, *_FLAGS, f"--user-data-dir={profile}"],
        pass_fds=(listen, speak),
        env=os.environ | {"LISTEN": str(listen), "SPEAK": str(speak)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(listen)
    os.close(speak)
    try:
        yield Page(to_browser, from_browser)
    finally:
        process.kill()
        process.wait()
        os.close(to_browser)


def _high_pipe() -> tuple[int, int]:
    """Make a pipe whose ends are none of the numbers that the browser uses."""
    ends = os.pipe()
    high = tuple(fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in ends)
    for end in ends:
        os.close(end)
    return high[0], high[1]
