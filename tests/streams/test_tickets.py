"""Tickets: single use, 30 seconds, a bounded number, stored as hashes only."""

from __future__ import annotations

import pytest

from backend.errors import InvalidToken, StreamsFull
from backend.streams import TICKET_LIFETIME_S, TicketStore


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tickets(clock: Clock) -> TicketStore[str]:
    return TicketStore(max_unspent=3, clock=clock)


def test_a_ticket_gives_its_owner_once(tickets: TicketStore[str]) -> None:
    first, second = tickets.issue("anna"), tickets.issue("ben")
    assert tickets.redeem(second) == "ben"
    assert tickets.redeem(first) == "anna"
    with pytest.raises(InvalidToken):
        tickets.redeem(first)


def test_a_ticket_lasts_half_a_minute(tickets: TicketStore[str], clock: Clock) -> None:
    in_time, too_late = tickets.issue("anna"), tickets.issue("ben")
    clock.now += TICKET_LIFETIME_S - 0.01
    assert tickets.redeem(in_time) == "anna"
    clock.now += 0.01
    with pytest.raises(InvalidToken):
        tickets.redeem(too_late)


def test_unspent_tickets_have_a_bound(tickets: TicketStore[str], clock: Clock) -> None:
    for owner in ("anna", "ben", "carl"):
        tickets.issue(owner)
    with pytest.raises(StreamsFull) as refused:
        tickets.issue("dora")
    clock.now += TICKET_LIFETIME_S
    assert refused.value.retry_after_s == TICKET_LIFETIME_S
    assert tickets.redeem(tickets.issue("dora")) == "dora"


@pytest.mark.parametrize("guess", ["", "x", "é", "\ud800", "a" * 43])
def test_a_guess_is_no_ticket(tickets: TicketStore[str], guess: str) -> None:
    tickets.issue("anna")
    with pytest.raises(InvalidToken):
        tickets.redeem(guess)


def test_tickets_are_long_random_and_kept_nowhere(tickets: TicketStore[str]) -> None:
    issued = {tickets.issue("anna") for _ in range(3)}
    assert len(issued) == 3
    assert {len(ticket) for ticket in issued} == {43}
    assert not any(ticket in repr(vars(tickets)) for ticket in issued)
