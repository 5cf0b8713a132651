"""The code in our documents, made fit to run against a server of the test's own."""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.live import LiveServer

ROOT = Path(__file__).parents[2]
DOCUMENTED_URL = "http://127.0.0.1:8000"
PASSWORD_STANDS_FOR = ("paste it here", "the password that make run printed")


def code_blocks(document: str, language: str, server: LiveServer) -> list[str]:
    """Return a document's blocks in one language, with the server's address and password."""
    text = (ROOT / document).read_text(encoding="utf-8")
    found = re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [_at_home(block, server) for block in found]


def _at_home(block: str, server: LiveServer) -> str:
    for words in PASSWORD_STANDS_FOR:
        block = block.replace(words, server.password)
    return block.replace(DOCUMENTED_URL, server.url)
