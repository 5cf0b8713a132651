"""Damage to a database file, as a failing disk does it."""

from __future__ import annotations

import random
from pathlib import Path

PAGE = 4096


def flip_bytes(file: Path, seed: int, *, pages: int = 3, bytes_each: int = 8) -> None:
    """Change bytes in random pages of a file."""
    chance = random.Random(seed)
    content = bytearray(file.read_bytes())
    for _ in range(pages):
        start = chance.randrange(len(content) // PAGE) * PAGE
        # the head of a page tells where everything in it is
        reach = chance.choice((16, PAGE))
        for _ in range(bytes_each):
            content[start + chance.randrange(reach)] ^= chance.randrange(1, 256)
    file.write_bytes(content)


def overwrite_page(file: Path, number: int) -> None:
    """Overwrite a whole page, 0 being the first."""
    with file.open("r+b") as opened:
        opened.seek(number * PAGE)
        opened.write(b"\xa5" * PAGE)
