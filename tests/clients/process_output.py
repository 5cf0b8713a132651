"""Output of a running program, read line by line with a deadline."""

from __future__ import annotations

import contextlib
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import IO

WITHIN_S = 120


class Lines:
    """Lines as they come; waiting for one that never comes fails with all that came."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._arriving: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def put(self, line: str | None) -> None:
        """Add a line, or None for the end; from any thread."""
        self._arriving.put(line)

    def wait_for(self, wanted: Callable[[str], bool], what: str) -> str:
        """Return the next line that is wanted."""
        deadline = time.monotonic() + WITHIN_S
        while (left_s := deadline - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                line = self._arriving.get(timeout=left_s)
                if line is None:
                    break
                self.seen.append(line)
                if wanted(line):
                    return line
        raise AssertionError(f"no line came that {what}; these did:\n" + "\n".join(self.seen))

    def wait_for_start(self, start: str) -> str:
        """Return the next line that begins so."""
        return self.wait_for(lambda line: line.startswith(start), f"begins with {start!r}")


@contextlib.contextmanager
def lines_of(command: list[str], **options: object) -> Iterator[Lines]:
    """Run a program, read what it says, and end it."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
    )
    lines = Lines()
    reader = threading.Thread(target=_read, args=(process.stdout, lines), daemon=True)
    reader.start()
    try:
        yield lines
    finally:
        process.kill()
        process.wait()
        reader.join()
        process.stdout.close()


def _read(pipe: IO[str], lines: Lines) -> None:
    for line in pipe:
        lines.put(line.rstrip("\n"))
    lines.put(None)
