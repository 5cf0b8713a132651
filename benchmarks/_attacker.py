"""Attacking process, for the benchmark of abuse: a flood, silent connections, or guesses.

    python -m benchmarks._attacker '{"attack": "flood", "host": …, "port": …, "sources": […],
                                     "clients": […], "seconds": …, "text": …, …}'

Connects from `sources` and names `clients` in X-Forwarded-For, which counts only where the server
trusts it. Prints a line when the attack is on, and a line of JSON with its figures at its end,
which is after `seconds` or at the end of standard input.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import selectors
import socket
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import quote

from backend.server.server import raise_open_files_limit

FLOODERS = 32
AGAIN_AT_ONCE, AGAIN_EVERY_S = 25, 0.05
GIVE_UP_S = 10.0
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)


@dataclass
class Attacker:
    """One attack: `count` is the requests a second of an address, or the silent connections."""

    attack: str
    host: str
    port: int
    sources: list[str]
    clients: list[str]
    seconds: float
    count: int
    text: str = ""
    answers: Counter[str] = field(default_factory=Counter)

    async def run(self) -> dict[str, float]:
        """Attack, and return the figures."""
        if self.attack == "silent":
            return await asyncio.to_thread(self._keep_silent)
        print("on", flush=True)
        started = time.monotonic()
        at_once = FLOODERS if self.attack == "flood" else 1
        await asyncio.gather(
            *(
                self._ask(source, client, self.count / at_once)
                for source, client in zip(self.sources, self.clients, strict=True)
                for _ in range(at_once)
            )
        )
        taken_s = time.monotonic() - started
        return {"per_s": self.answers.total() / taken_s, **self.answers}

    async def _ask(self, source: str, client: str, per_s: float) -> None:
        """Send requests at a rate; a refused connection is opened again."""
        requests = self._requests(client)
        ends = time.monotonic() + self.seconds
        due, number = time.monotonic(), 0
        while time.monotonic() < ends and not _is_over.is_set():
            try:
                reader, writer = await self._connect(source)
            except OSError:
                self.answers["unconnected"] += 1
                await asyncio.sleep(1 / per_s)
                continue
            with contextlib.suppress(OSError, EOFError, TimeoutError, ValueError):
                while due < ends and not _is_over.is_set():
                    await asyncio.sleep(due - time.monotonic())
                    due = max(due + 1 / per_s, time.monotonic() - 1)
                    writer.write(requests[number % len(requests)])
                    number += 1
                    status = await asyncio.wait_for(_answer(reader), GIVE_UP_S)
                    self.answers[status] += 1
            writer.close()

    async def _connect(self, source: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self.host, self.port, local_addr=(source, 0))

    def _requests(self, client: str) -> list[bytes]:
        named = f"Host: x\r\nX-Forwarded-For: {client}\r\n"
        if self.attack == "guess":
            guesses = ({"username": "admin", "password": f"guess {n} of it"} for n in range(100))
            return [_post(named, guess) for guess in guesses]
        text, path = self.text, quote(self.text, safe="")[:3000]
        fields = ("User-Agent", "X-Request-ID", "Idempotency-Key", "Cookie", "Origin")
        worst = "".join(f"{name}: {text}\r\n" for name in fields)
        return [
            f"GET /api/v1/orders/{path} HTTP/1.1\r\n{named}{worst}"
            f"Authorization: Bearer {text}\r\n\r\n".encode(),
            f"GET /{path}?{path} HTTP/1.1\r\n{named}{worst}\r\n".encode(),
            _post(named + worst, {"username": text, "password": text}),
        ]

    def _keep_silent(self) -> dict[str, float]:
        """Open connections and say nothing; those that the server closes are opened again."""
        raise_open_files_limit()
        opened = selectors.DefaultSelector()
        most = tried = 0
        for _ in range(self.count):
            tried += self._open_silently(opened)
        print("on", flush=True)
        ends = time.monotonic() + self.seconds
        while time.monotonic() < ends and not _is_over.is_set():
            for key, _ in opened.select(0):
                opened.unregister(key.fileobj)
                key.fileobj.close()  # type: ignore[union-attr]
            most = max(most, len(opened.get_map()))
            for _ in range(min(self.count - len(opened.get_map()), AGAIN_AT_ONCE)):
                tried += self._open_silently(opened)
            time.sleep(AGAIN_EVERY_S)
        return {"tried": tried, "held": len(opened.get_map()), "most": most}

    def _open_silently(self, opened: selectors.BaseSelector) -> int:
        with contextlib.suppress(OSError):
            sock = socket.create_connection((self.host, self.port), 5, (self.sources[0], 0))
            opened.register(sock, selectors.EVENT_READ)
        return 1


async def _answer(reader: asyncio.StreamReader) -> str:
    """Read one response, and return its status."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    await reader.readexactly(int(length[1]) if length else 0)
    return head[9:12].decode()


def _post(head: str, body: dict[str, str]) -> bytes:
    content = json.dumps(body).encode()
    lines = f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    return f"POST /api/v1/auth/login HTTP/1.1\r\n{head}{lines}".encode() + content


_is_over = threading.Event()


def _wait_for_end() -> None:
    sys.stdin.read()
    _is_over.set()


if __name__ == "__main__":
    threading.Thread(target=_wait_for_end, daemon=True).start()
    print(json.dumps(asyncio.run(Attacker(**json.loads(sys.argv[1])).run())), flush=True)
