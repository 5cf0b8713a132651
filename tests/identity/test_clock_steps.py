"""A wall clock that is a day wrong and set right: sessions, revocations, codes by mail."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest
import time_machine

from backend.errors import InvalidToken, TokenExpired
from backend.identity import Identity
from backend.store import Database, email_codes
from backend.store.email_codes import Attempt, NewCode
from tests.identity_app import NOWHERE, PASSWORD, StartIdentity

START = 1_900_000_000
DAY = timedelta(days=1)
EMAIL = "ada@example.org"

Clock = time_machine.Traveller


@pytest.fixture(autouse=True)
def clock() -> Iterator[Clock]:
    with time_machine.travel(START, tick=False) as clock:
        yield clock


def test_a_token_of_a_clock_that_ran_ahead_is_renewed_once_that_is_set_right(
    identity: Identity,
    clock: Clock,
) -> None:
    clock.shift(DAY)
    tokens = identity.login("trader", PASSWORD, *NOWHERE)
    principal = identity.verify_access_token(tokens.access_token)
    assert identity.has_stepped_up(principal)
    clock.shift(-DAY)
    with pytest.raises(TokenExpired):
        identity.verify_access_token(tokens.access_token)
    assert not identity.has_stepped_up(principal)
    renewed = identity.refresh(tokens.refresh_token, *NOWHERE)
    assert identity.verify_access_token(renewed.access_token).username == "trader"


def test_a_clock_that_is_set_back_by_seconds_ends_no_session(
    identity: Identity,
    clock: Clock,
) -> None:
    tokens = identity.login("trader", PASSWORD, *NOWHERE)
    clock.shift(-30)
    assert identity.verify_access_token(tokens.access_token).username == "trader"


@pytest.mark.parametrize("step", [DAY, -DAY])
def test_a_spent_refresh_token_has_no_longer_grace(
    identity: Identity,
    clock: Clock,
    step: timedelta,
) -> None:
    tokens = identity.login("trader", PASSWORD, *NOWHERE)
    identity.refresh(tokens.refresh_token, *NOWHERE)
    clock.shift(step)
    with pytest.raises(InvalidToken):
        identity.refresh(tokens.refresh_token, *NOWHERE)


@pytest.mark.parametrize("restarts", [False, True], ids=["", "also after a restart meanwhile"])
@pytest.mark.parametrize("step", [DAY, -DAY])
def test_what_was_ended_stays_ended_when_the_clock_is_right_again(
    identity: Identity,
    start_identity: StartIdentity,
    clock: Clock,
    step: timedelta,
    restarts: bool,
) -> None:
    ended = identity.login("trader", PASSWORD, *NOWHERE)
    session_ended = identity.login("trader", PASSWORD, *NOWHERE)
    identity.logout(identity.verify_access_token(ended.access_token), None)
    principal = identity.verify_access_token(session_ended.access_token)
    identity.sessions.revoke(principal.user_id, principal.session_id)
    clock.shift(step)
    meanwhile = identity.login("trader", PASSWORD, *NOWHERE)
    identity.logout(identity.verify_access_token(meanwhile.access_token), None)
    later = start_identity() if restarts else identity
    clock.shift(-step)
    for tokens in (ended, session_ended):
        with pytest.raises(InvalidToken):
            later.verify_access_token(tokens.access_token)


def test_a_mailed_code_of_a_clock_that_ran_ahead_neither_works_nor_hides_the_next(
    database: Database,
    clock: Clock,
) -> None:
    now = datetime.fromtimestamp(START, timezone.utc)
    for n, at in enumerate((now + DAY, now + DAY, now + DAY, now)):
        new = NewCode("reset", EMAIL, f"digest {n}", "192.0.2.1", False, at)
        assert database.write(email_codes.issue, new)
    for n, is_right in ((2, False), (3, True)):
        attempt = Attempt("reset", EMAIL, f"digest {n}", "192.0.2.1", now)
        assert bool(database.write(email_codes.verify, attempt)) == is_right
