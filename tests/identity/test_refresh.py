"""Refresh tokens: rotation, a grace for what was spent, and reuse that revokes the session."""

from __future__ import annotations

import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import gevent
import pytest
import time_machine
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.orm import Session

from backend.concurrency.gevent_host import GeventHost
from backend.concurrency.host import ThreadHost
from backend.errors import ApiError, InvalidToken, TokenExpired, TokenReused
from backend.identity import Identity
from backend.identity.tokens import hash_refresh_token
from backend.schemas.auth import Tokens
from backend.settings.model import Settings
from backend.store import Database
from tests.databases import make_settings
from tests.identity_app import NOWHERE, PASSWORD, SECRET, StartIdentity


def test_a_refresh_gives_new_tokens_of_the_same_session(identity: Identity, tokens: Tokens) -> None:
    renewed = identity.refresh(tokens.refresh_token, *NOWHERE)
    before = identity.verify_access_token(tokens.access_token)
    after = identity.verify_access_token(renewed.access_token)
    assert renewed.refresh_token != tokens.refresh_token
    assert after.token_id != before.token_id
    assert (after.session_id, after.user_id) == (before.session_id, before.user_id)


def test_no_refresh_prolongs_a_session_beyond_its_absolute_end(
    start_identity: StartIdentity, identity: Identity
) -> None:
    with time_machine.travel(1_900_000_000, tick=False) as clock:
        brief = start_identity(session_lifetime=100, refresh_expiry=60)
        tokens = brief.login("trader", PASSWORD, *NOWHERE)
        for _ in range(2):
            clock.shift(40)
            tokens = brief.refresh(tokens.refresh_token, *NOWHERE)
        clock.shift(20)
        with pytest.raises(TokenExpired):
            brief.refresh(tokens.refresh_token, *NOWHERE)


def test_a_token_sent_again_gives_the_same_successor_while_that_is_unused(
    identity: Identity, tokens: Tokens
) -> None:
    first = identity.refresh(tokens.refresh_token, *NOWHERE)
    again = identity.refresh(tokens.refresh_token, "192.0.2.7", "another tab")
    assert again.refresh_token == first.refresh_token
    for access_token in (first.access_token, again.access_token):
        assert identity.verify_access_token(access_token).username == "trader"
    renewed = identity.refresh(again.refresh_token, *NOWHERE)
    assert renewed.refresh_token != again.refresh_token


def test_the_store_has_no_successor_in_clear_text(
    identity: Identity, tokens: Tokens, database: Database
) -> None:
    renewed = identity.refresh(tokens.refresh_token, *NOWHERE)

    def dump(session: Session) -> str:
        rows = session.execute(text("SELECT * FROM refresh_tokens"))
        return str([tuple(row) for row in rows])

    stored = database.read(dump)
    assert hash_refresh_token(renewed.refresh_token) in stored
    assert renewed.refresh_token not in stored
    assert tokens.refresh_token not in stored


def test_without_the_servers_key_nobody_makes_a_successor(
    start_identity: StartIdentity, tokens: Tokens
) -> None:
    renewed = start_identity().refresh(tokens.refresh_token, *NOWHERE)
    stranger = start_identity(secret_key=SecretStr("another key of thirty-two characters"))
    with pytest.raises(TokenReused):
        stranger.refresh(tokens.refresh_token, *NOWHERE)
    with pytest.raises(InvalidToken):
        start_identity().refresh(renewed.refresh_token, *NOWHERE)


def test_the_grace_outlasts_a_change_of_the_key(
    start_identity: StartIdentity, tokens: Tokens
) -> None:
    first = start_identity().refresh(tokens.refresh_token, *NOWHERE)
    rotated = start_identity(
        secret_key=SecretStr("another key of thirty-two characters"),
        previous_secret_keys=SecretStr(SECRET),
    )
    again = rotated.refresh(tokens.refresh_token, *NOWHERE)
    assert again.refresh_token == first.refresh_token


@pytest.mark.parametrize(
    ("passed_s", "grace_s"), [(31, 30), (-31, 30), (-7200, 30), (86_000, 30), (0, 0)]
)
def test_after_the_grace_a_spent_token_ends_the_session(
    start_identity: StartIdentity, tokens: Tokens, passed_s: int, grace_s: int
) -> None:
    identity = start_identity(refresh_grace=grace_s)
    now = time.time() + 1
    with time_machine.travel(now, tick=False):
        renewed = identity.refresh(tokens.refresh_token, *NOWHERE)
    with time_machine.travel(now + passed_s, tick=False):
        with pytest.raises(TokenReused):
            identity.refresh(tokens.refresh_token, *NOWHERE)
        with pytest.raises(InvalidToken):
            identity.refresh(renewed.refresh_token, *NOWHERE)


def test_the_grace_is_counted_from_the_first_use(identity: Identity, tokens: Tokens) -> None:
    now = time.time()
    for passed_s in (0, 20, 29):
        with time_machine.travel(now + passed_s, tick=False):
            identity.refresh(tokens.refresh_token, *NOWHERE)
    with time_machine.travel(now + 40, tick=False), pytest.raises(TokenReused):
        identity.refresh(tokens.refresh_token, *NOWHERE)


def test_a_session_that_ended_gives_no_successor_again(identity: Identity, tokens: Tokens) -> None:
    renewed = identity.refresh(tokens.refresh_token, *NOWHERE)
    principal = identity.verify_access_token(renewed.access_token)
    identity.logout(principal, renewed.refresh_token)
    with pytest.raises(TokenReused):
        identity.refresh(tokens.refresh_token, *NOWHERE)


def test_a_spent_token_ends_the_session_for_both_holders(
    identity: Identity, tokens: Tokens
) -> None:
    other = identity.login("trader", PASSWORD, *NOWHERE)
    renewed = identity.refresh(tokens.refresh_token, *NOWHERE)
    renewed = identity.refresh(renewed.refresh_token, *NOWHERE)
    with pytest.raises(TokenReused) as caught:
        identity.refresh(tokens.refresh_token, *NOWHERE)
    assert caught.value.username == "trader"
    for access_token in (tokens.access_token, renewed.access_token):
        with pytest.raises(InvalidToken):
            identity.verify_access_token(access_token)
    with pytest.raises(InvalidToken):
        identity.refresh(renewed.refresh_token, *NOWHERE)
    assert identity.verify_access_token(other.access_token).username == "trader"
    assert identity.refresh(other.refresh_token, *NOWHERE).user.username == "trader"


@pytest.mark.parametrize("refresh_token", ["", "unknown", "x" * 100_000, "\x00", "\ud800", "' --"])
def test_an_unknown_token_is_refused(identity: Identity, refresh_token: str) -> None:
    with pytest.raises(InvalidToken) as refused:
        identity.refresh(refresh_token, *NOWHERE)
    assert refused.value.type == "invalid_token"


def test_an_access_token_is_no_refresh_token_and_the_other_way_round(
    identity: Identity, tokens: Tokens
) -> None:
    with pytest.raises(InvalidToken):
        identity.refresh(tokens.access_token, *NOWHERE)
    with pytest.raises(InvalidToken):
        identity.verify_access_token(tokens.refresh_token)


def test_an_expired_token_is_refused_and_a_refresh_prolongs(
    identity: Identity, tokens: Tokens, settings: Settings
) -> None:
    life = settings.refresh_expiry
    with time_machine.travel(time.time() + life - 5, tick=False):
        renewed = identity.refresh(tokens.refresh_token, *NOWHERE)
    with time_machine.travel(time.time() + 2 * life - 10, tick=False):
        again = identity.refresh(renewed.refresh_token, *NOWHERE)
    with (
        time_machine.travel(time.time() + 3 * life, tick=False),
        pytest.raises(TokenExpired),
    ):
        identity.refresh(again.refresh_token, *NOWHERE)


@pytest.mark.parametrize("attempt", range(5))
def test_all_who_race_get_one_successor(identity: Identity, tokens: Tokens, attempt: int) -> None:
    count = 4
    barrier = threading.Barrier(count)
    won: list[Tokens] = []

    def refresh() -> None:
        barrier.wait()
        won.append(identity.refresh(tokens.refresh_token, *NOWHERE))

    run_together([refresh] * count)
    assert len({renewed.refresh_token for renewed in won}) == 1
    assert len(won) == count
    for renewed in won:
        assert identity.verify_access_token(renewed.access_token).username == "trader"
    assert identity.refresh(won[0].refresh_token, *NOWHERE).user.username == "trader"


@pytest.mark.parametrize("attempt", range(5))
def test_without_a_grace_one_of_two_who_race_wins_and_the_session_ends(
    start_identity: StartIdentity, tokens: Tokens, attempt: int
) -> None:
    identity = start_identity(refresh_grace=0)
    barrier = threading.Barrier(2)
    outcomes: list[str] = []
    won: list[Tokens] = []

    def refresh() -> None:
        barrier.wait()
        try:
            won.append(identity.refresh(tokens.refresh_token, *NOWHERE))
        except ApiError as error:
            outcomes.append(error.type)

    run_together([refresh] * 2)
    assert len(won) == 1
    assert outcomes == ["token_reused"]
    with pytest.raises(InvalidToken):
        identity.verify_access_token(won[0].access_token)
    with pytest.raises(InvalidToken):
        identity.refresh(won[0].refresh_token, *NOWHERE)


def run_together(calls: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize(("grace_s", "renewed"), [(30, 6), (0, 1)])
def test_requests_that_race_on_the_hub_are_held_to_the_same_rule(
    settings: Settings, tokens: Tokens, grace_s: int, renewed: int
) -> None:
    host = GeventHost()
    database = Database(settings, host)
    on_hub = Identity(settings.model_copy(update={"refresh_grace": grace_s}), database, host)
    attempts = [gevent.spawn(on_hub.refresh, tokens.refresh_token, *NOWHERE) for _ in range(6)]
    gevent.joinall(attempts)
    outcomes = Counter(type(attempt.exception) for attempt in attempts)
    assert outcomes == Counter({type(None): renewed, TokenReused: 6 - renewed})
    assert len({attempt.value.refresh_token for attempt in attempts if attempt.value}) == 1
    on_hub.close()
    database.close()
    host.close()


def test_a_server_that_starts_anew_still_knows_spent_and_revoked_tokens(
    start_identity: StartIdentity, identity: Identity, tokens: Tokens
) -> None:
    renewed = identity.refresh(tokens.refresh_token, *NOWHERE)
    restarted = start_identity()
    assert restarted.verify_access_token(renewed.access_token).username == "trader"
    again = restarted.refresh(tokens.refresh_token, *NOWHERE)
    assert again.refresh_token == renewed.refresh_token
    restarted = start_identity(refresh_grace=0)
    with pytest.raises(TokenReused):
        restarted.refresh(tokens.refresh_token, *NOWHERE)
    again = start_identity()
    with pytest.raises(InvalidToken):
        again.verify_access_token(renewed.access_token)
    with pytest.raises(InvalidToken):
        again.refresh(renewed.refresh_token, *NOWHERE)


class Sessions(RuleBasedStateMachine):
    """Any sequence of logins, refreshes and restarts against a model of what each must do."""

    def __init__(self) -> None:
        super().__init__()
        self.home = tempfile.TemporaryDirectory()
        self.settings = make_settings(Path(self.home.name))
        self.database = Database(self.settings, ThreadHost())
        self.database.upgrade()
        self.identity = Identity(self.settings, self.database, ThreadHost())
        self.identity.users.create("trader", PASSWORD, "trader")
        self.chains: list[list[Tokens]] = []
        self.over: set[int] = set()

    def teardown(self) -> None:
        self.identity.close()
        self.database.close()
        self.home.cleanup()

    @initialize()
    def begin(self) -> None:
        self.log_in()

    @rule()
    def log_in(self) -> None:
        self.chains.append([self.identity.login("trader", PASSWORD, *NOWHERE)])

    @rule()
    def restart(self) -> None:
        self.identity.close()
        self.identity = Identity(self.settings, self.database, ThreadHost())

    @rule(choice=strategies.data())
    def refresh(self, choice: strategies.DataObject) -> None:
        number = choice.draw(strategies.integers(0, len(self.chains) - 1))
        chain = self.chains[number]
        place = choice.draw(strategies.integers(0, len(chain) - 1))
        newest = place == len(chain) - 1
        outcome = self.try_refresh(chain[place])
        is_last_spent = place == len(chain) - 2
        if isinstance(outcome, Tokens) and is_last_spent:
            assert number not in self.over
            assert outcome.refresh_token == chain[-1].refresh_token
        elif isinstance(outcome, Tokens):
            assert (newest, number in self.over) == (True, False)
            chain.append(outcome)
        elif outcome == "token_reused":
            assert not newest
            assert not is_last_spent or number in self.over
            self.over.add(number)
        else:
            assert (outcome, newest, number in self.over) == ("invalid_token", True, True)

    @invariant()
    def tokens_are_as_alive_as_their_session(self) -> None:
        for number, chain in enumerate(self.chains):
            accepted = {self.is_accepted(tokens) for tokens in chain}
            assert accepted == {number not in self.over}

    def try_refresh(self, tokens: Tokens) -> Tokens | str:
        try:
            return self.identity.refresh(tokens.refresh_token, *NOWHERE)
        except InvalidToken as error:
            return error.type

    def is_accepted(self, tokens: Tokens) -> bool:
        try:
            return self.identity.verify_access_token(tokens.access_token).username == "trader"
        except InvalidToken:
            return False


Sessions.TestCase.settings = hypothesis_settings(
    max_examples=10, stateful_step_count=15, deadline=None
)
TestSessions = Sessions.TestCase
