"""The same service on PostgreSQL: whatever is sent, whoever races."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.concurrency import ThreadHost
from backend.errors import ApiError, Conflict, InvalidCredentials, InvalidToken
from backend.identity import Identity
from backend.schemas.users import UserChange
from backend.settings import Settings
from backend.store import Database
from tests.databases import Cluster, make_settings, running_cluster
from tests.identity.conftest import NOWHERE, PASSWORD, SECRET, StartIdentity

HOSTILE = ["", "\x00", "\ud800", "' OR 1=1 --", "%", "x" * 10_000, "ünïcode"]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture
def settings(tmp_path: Path, cluster: Cluster) -> Settings:
    return make_settings(tmp_path, secret_key=SECRET, database_url=cluster.create_database())


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_is_sent_is_refused_in_order(identity: Identity, text: str) -> None:
    with pytest.raises(InvalidCredentials):
        identity.login(text, text, text, text)
    with pytest.raises(InvalidToken):
        identity.refresh(text, text, text)


@pytest.mark.parametrize("text", HOSTILE)
def test_any_address_and_agent_can_be_kept(identity: Identity, text: str) -> None:
    tokens = identity.login("trader", PASSWORD, text, text)
    assert identity.refresh(tokens.refresh_token, text, text).user.username == "trader"


def test_a_session_lives_and_ends_across_starts(
    identity: Identity, start_identity: StartIdentity
) -> None:
    tokens = identity.login("trader", PASSWORD, *NOWHERE)
    principal = identity.principal(tokens.access_token)
    assert identity.logout(principal, tokens.refresh_token) == "session"
    restarted = start_identity()
    assert restarted.is_active(principal) is False
    with pytest.raises(InvalidToken):
        restarted.refresh(tokens.refresh_token, *NOWHERE)


def test_names_are_taken_once(identity: Identity) -> None:
    with pytest.raises(Conflict):
        identity.accounts.create("TRADER", PASSWORD, "viewer")


def test_refreshing_changing_and_disabling_at_once_ends_with_no_live_session(
    identity: Identity, database: Database
) -> None:
    sessions = [identity.login("trader", PASSWORD, *NOWHERE) for _ in range(6)]
    principal = identity.principal(sessions[0].access_token)
    barrier = threading.Barrier(len(sessions) + 1)
    outcomes: Counter[str] = Counter()
    renewed: list[str] = []

    def refresh(token: str) -> None:
        barrier.wait()
        try:
            renewed.append(identity.refresh(token, *NOWHERE).access_token)
        except ApiError as error:
            outcomes[error.type] += 1

    def disable() -> None:
        barrier.wait()
        identity.accounts.change(principal.user_id, UserChange(disabled=True))

    threads = [threading.Thread(target=refresh, args=[item.refresh_token]) for item in sessions]
    threads.append(threading.Thread(target=disable))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(renewed) + outcomes["invalid_token"] == len(sessions)
    for access_token in renewed + [item.access_token for item in sessions]:
        with pytest.raises(InvalidToken):
            identity.principal(access_token)
    restarted = Identity(make_settings(Path("unused"), secret_key=SECRET), database, ThreadHost())
    assert restarted.is_active(principal) is False
    restarted.close()
