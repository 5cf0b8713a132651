"""Secrets that are planted wherever the server takes one, and the places where none may turn up."""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

from flask import Flask

from tests.api_client import ApiClient


class Canaries:
    """Secrets by what they are, in the forms in which they could leak."""

    def __init__(self) -> None:
        self._planted: dict[str, str] = {}

    def plant(self, name: str, secret: str) -> str:
        assert len(secret) >= 6, name
        self._planted[name] = secret
        return secret

    def names(self) -> set[str]:
        return set(self._planted)

    def found_in(self, texts: Mapping[str, str]) -> set[tuple[str, str]]:
        """Return which canary stands where."""
        return {
            (name, place)
            for name, secret in self._planted.items()
            for form in _forms(secret)
            for place, text in texts.items()
            if form in text
        }


def _forms(secret: str) -> Iterator[str]:
    yield secret
    yield quote(secret, safe="")
    # wherever it begins in what is encoded, this much of it looks the same
    for shift in range(3):
        encoded = base64.b64encode(b"x" * shift + secret.encode()).decode().rstrip("=")
        yield encoded[4 if shift else 0 : -3]


def files_below(folder: Path, *but: str) -> dict[str, str]:
    """Return the text of every file, those of the exchange's own books left out."""
    return {
        str(path.relative_to(folder)): path.read_bytes().decode("utf-8", "replace")
        for path in folder.rglob("*")
        if path.is_file() and path.name not in but
    }


def database_dump(home: Path) -> str:
    with sqlite3.connect(home / "backend.db") as connection:
        dump = "\n".join(connection.iterdump())
    connection.close()
    return dump


def answers_of_all_gets(app: Flask, client: ApiClient) -> dict[str, str]:
    """Ask every route that only reads, with what stands in for its parameters."""
    answers = {}
    for rule in app.url_map.iter_rules():
        if "GET" not in (rule.methods or ()) or "stream" in rule.rule or rule.rule == "/ws":
            continue
        path = rule.rule
        for name in rule.arguments:
            stand_in = {"exchange": "sandbox", "symbol": "BTC-USDT"}.get(name, "nothing")
            path = path.replace(f"<{name}>", stand_in).replace(f"<path:{name}>", stand_in)
        response = client.app.test_client().get(path, headers=client.headers)
        answers[f"GET {path}"] = f"{response.headers}\n{response.get_data(as_text=True)}"
    return answers
