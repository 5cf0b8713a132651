"""Logins with a second factor: codes work once, wrong ones lock it for a while."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter

import pytest
from flask.testing import FlaskClient
from sqlalchemy import insert, select

from backend.errors import WrongCode
from backend.identity import Identity
from backend.schemas.auth import Tokens
from backend.store import Database
from backend.store.models import RecoveryCode
from backend.store.second_factors import LOCKOUT, MAX_FAILURES
from tests.identity.second_factor.authenticator import Authenticator, log_in, outcome
from tests.identity_app import NOWHERE, PASSWORD, bearer


def test_a_login_takes_password_and_code(client: FlaskClient, authenticator: Authenticator) -> None:
    assert outcome(log_in(client)) == (401, "second_factor_required")
    assert "data" not in log_in(client).json
    assert outcome(log_in(client, "000000")) == (401, "wrong_code")
    user = log_in(client, authenticator.code()).json["data"]["user"]
    assert (user["username"], user["second_factor"]) == ("trader", True)


def test_whoever_lacks_the_password_does_not_learn_of_it(
    client: FlaskClient, authenticator: Authenticator
) -> None:
    for code in (None, authenticator.code(), "000000"):
        assert outcome(log_in(client, code, "wrong")) == (401, "invalid_credentials")
    assert log_in(client, authenticator.code()).status_code == 200


def test_a_code_works_once(client: FlaskClient, authenticator: Authenticator, clock) -> None:
    code = authenticator.code()
    assert log_in(client, code).status_code == 200
    assert outcome(log_in(client, code)) == (401, "wrong_code")
    clock.shift(30)
    assert outcome(log_in(client, code)) == (401, "wrong_code")
    assert log_in(client, authenticator.code()).status_code == 200


def test_the_code_that_confirmed_works_for_nothing_else(
    client: FlaskClient, tokens: Tokens
) -> None:
    authenticator = Authenticator(client, tokens)
    assert outcome(log_in(client, authenticator.code())) == (401, "wrong_code")


@pytest.mark.parametrize(("late_s", "status"), [(-30, 200), (30, 200), (-60, 401), (60, 401)])
def test_a_clock_may_be_one_step_off(
    client: FlaskClient, authenticator: Authenticator, clock, late_s: int, status: int
) -> None:
    clock.shift(600)
    code = authenticator.app.at(int(time.time()) - late_s)
    assert log_in(client, code).status_code == status


def test_an_earlier_code_does_not_work_after_a_later_one(
    client: FlaskClient, authenticator: Authenticator
) -> None:
    now = int(time.time())
    assert log_in(client, authenticator.app.at(now + 30)).status_code == 200
    assert outcome(log_in(client, authenticator.app.at(now))) == (401, "wrong_code")


def test_of_many_who_send_one_code_at_once_one_gets_in(
    identity: Identity, authenticator: Authenticator
) -> None:
    barrier, code = threading.Barrier(6), authenticator.code()
    outcomes: list[bool] = []

    def send() -> None:
        barrier.wait()
        try:
            identity.login("trader", PASSWORD, *NOWHERE, code)
        except WrongCode:
            outcomes.append(False)
        else:
            outcomes.append(True)

    # fewer wrong ones than lock it
    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count(True) == 1


def test_ten_recovery_codes_work_once_each_however_they_are_typed(
    client: FlaskClient, authenticator: Authenticator
) -> None:
    assert len(set(authenticator.recovery)) == 10
    for code in authenticator.recovery:
        assert log_in(client, code).status_code == 200
        assert outcome(log_in(client, code.replace("-", "").upper())) == (401, "wrong_code")


def test_a_recovery_code_may_be_typed_without_dashes_and_in_capitals(
    client: FlaskClient, authenticator: Authenticator
) -> None:
    assert log_in(client, authenticator.recovery[3].replace("-", " ").upper()).status_code == 200


def test_recovery_codes_of_another_are_of_no_use(
    client: FlaskClient, identity: Identity, authenticator: Authenticator
) -> None:
    viewer = identity.login("viewer", PASSWORD, *NOWHERE)
    others = Authenticator(client, viewer)
    assert outcome(log_in(client, others.recovery[0])) == (401, "wrong_code")


def test_wrong_codes_lock_the_second_factor_for_a_while(
    client: FlaskClient, authenticator: Authenticator, clock
) -> None:
    for _ in range(MAX_FAILURES):
        assert outcome(log_in(client, "000000")) == (401, "wrong_code")
    locked = log_in(client, authenticator.code())
    assert outcome(locked) == (429, "rate_limited")
    assert int(locked.headers["Retry-After"]) > 0
    assert outcome(log_in(client, authenticator.recovery[0])) == (429, "rate_limited")
    clock.shift(LOCKOUT.total_seconds())
    assert log_in(client, authenticator.code()).status_code == 200


def test_a_spent_recovery_code_sent_again_and_again_locks_nothing(
    client: FlaskClient, authenticator: Authenticator
) -> None:
    spent = authenticator.recovery[0]
    assert log_in(client, spent).status_code == 200
    for _ in range(8):
        assert outcome(log_in(client, spent)) == (401, "wrong_code")
    assert log_in(client, authenticator.recovery[1]).status_code == 200
    assert log_in(client, authenticator.code()).status_code == 200


def test_a_recovery_code_of_an_earlier_version_works_once(
    client: FlaskClient, database: Database, authenticator: Authenticator, tokens: Tokens
) -> None:
    digest = hashlib.sha256(b"abcdefghjkmnpqrs").hexdigest()
    with database.engine.begin() as connection:
        values = {"digest": digest, "user_id": tokens.user.id}
        connection.execute(insert(RecoveryCode).values(values))
    assert log_in(client, "abcd-efgh-jkmn-pqrs").status_code == 200
    assert outcome(log_in(client, "abcd-efgh-jkmn-pqrs")) == (401, "wrong_code")


def test_recovery_codes_are_stored_under_a_password_hash(
    database: Database, authenticator: Authenticator
) -> None:
    with database.engine.connect() as connection:
        digests = set(connection.execute(select(RecoveryCode.digest)).scalars())
    plain = [code.replace("-", "") for code in authenticator.recovery]
    assert len(digests) == len(plain)
    assert digests.isdisjoint(hashlib.sha256(code.encode()).hexdigest() for code in plain)


def test_guessing_without_the_password_locks_nobody_out(
    client: FlaskClient, authenticator: Authenticator
) -> None:
    for number in range(2 * MAX_FAILURES):
        assert log_in(client, f"{number:06}", "wrong").status_code == 401
    assert log_in(client, authenticator.code()).status_code == 200


def test_brute_force_of_codes_gets_nowhere(
    client: FlaskClient, authenticator: Authenticator, clock
) -> None:
    tried = Counter(outcome(log_in(client, f"{number:06}"))[1] for number in range(1000, 1040))
    assert tried == {"wrong_code": MAX_FAILURES, "rate_limited": 40 - MAX_FAILURES}


def test_stepping_up_takes_the_code_where_there_is_one(
    client: FlaskClient, identity: Identity, authenticator: Authenticator, clock
) -> None:
    tokens = log_in(client, authenticator.code()).json["data"]
    clock.shift(600)
    headers = bearer(tokens["access_token"])
    by_password = client.post("/auth/step-up", json={"password": PASSWORD}, headers=headers)
    assert (by_password.status_code, by_password.json["fields"][0]["field"]) == (400, "code")
    fresh = client.post("/auth/step-up", json={"code": authenticator.code()}, headers=headers)
    principal = identity.verify_access_token(fresh.json["data"]["access_token"])
    assert identity.has_stepped_up(principal) is True


def test_a_changed_password_does_not_stand_in_for_the_code(
    client: FlaskClient, identity: Identity, authenticator: Authenticator
) -> None:
    tokens = log_in(client, authenticator.code()).json["data"]
    changed = client.put(
        "/auth/password",
        json={"current_password": PASSWORD, "new_password": "a horse of another colour"},
        headers=bearer(tokens["access_token"]),
    ).json["data"]
    assert identity.has_stepped_up(identity.verify_access_token(changed["access_token"])) is False


def test_a_clock_that_ran_ahead_locks_nobody_out_once_it_is_set_right(
    client: FlaskClient, authenticator: Authenticator, clock
) -> None:
    clock.shift(86_400)
    ahead = authenticator.code()
    assert log_in(client, ahead).status_code == 200
    clock.shift(-86_400)
    code = authenticator.code()
    assert log_in(client, code).status_code == 200
    assert outcome(log_in(client, code)) == (401, "wrong_code")
    clock.shift(86_400)
    assert authenticator.code() == ahead
    assert outcome(log_in(client, ahead)) == (401, "wrong_code")
    clock.shift(30)
    assert log_in(client, authenticator.code()).status_code == 200


def test_a_lock_of_a_clock_that_ran_ahead_ends_when_it_is_set_right(
    client: FlaskClient, authenticator: Authenticator, clock
) -> None:
    clock.shift(86_400)
    for _ in range(MAX_FAILURES):
        assert outcome(log_in(client, "000000")) == (401, "wrong_code")
    assert outcome(log_in(client, authenticator.code())) == (429, "rate_limited")
    clock.shift(-86_400)
    assert log_in(client, authenticator.code()).status_code == 200
