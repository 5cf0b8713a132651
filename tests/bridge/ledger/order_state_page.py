"""The order states of docs/orders.md, made from the code: `python -m` this module renews them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from backend.bridge.ledger.order_state import TRANSITIONS, OrderEvent

PAGE = Path(__file__).parents[3] / "docs" / "orders.md"
_FROM = (None, "open", "partially_filled", "unknown")
_EVENTS: list[OrderEvent] = list(dict.fromkeys(event for _, event in TRANSITIONS))


def table() -> str:
    """Return the transitions as a markdown table: an event a row, a status a column."""
    heads = ["event", "(new)", "open", "partially filled", "unknown"]
    rows = [heads, ["---"] * len(heads)]
    for event in _EVENTS:
        cells = [TRANSITIONS.get((status, event)) for status in _FROM]
        rows.append([f"`{event}`", *(to or "" for to in cells)])
    return "\n".join(f"| {' | '.join(row)} |".replace("|  |", "| |") for row in rows)


def diagram() -> str:
    """Return the transitions as a mermaid state diagram, the arrows between two states as one."""
    return "\n".join(["```mermaid", "stateDiagram-v2", *_arrows(), "```"])


def _arrows() -> Iterator[str]:
    steps: dict[tuple[str, str], list[str]] = {}
    for (before, event), after in TRANSITIONS.items():
        if before != after:
            steps.setdefault((before or "[*]", after), []).append(_short(event))
    for (before, after), events in steps.items():
        yield f"    {before} --> {after}: {', '.join(dict.fromkeys(events))}"
    ends = set(TRANSITIONS.values()) - {before for before, _ in TRANSITIONS}
    for end in sorted(ends):
        yield f"    {end} --> [*]"


def _short(event: OrderEvent) -> str:
    kind = event.partition("_")[0]
    return kind if kind in ("reported", "found") else event


def renewed(page: str) -> str:
    """Return the page with its table and diagram as the code has them."""
    for name, part in (("table", table()), ("diagram", diagram())):
        start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, _, rest = page.partition(start)
        page = f"{before}{start}\n{part}\n\n{end}{rest.partition(end)[2]}"
    return page


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text()))
