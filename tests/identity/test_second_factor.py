"""The second factor: set up, asked for, never taken twice, locked after wrong guesses."""

from __future__ import annotations

import threading
import time
from collections import Counter
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest
import time_machine
from flask.testing import FlaskClient
from sqlalchemy import text

from backend.errors import WrongCode
from backend.identity import Identity
from backend.schemas.auth import Tokens
from backend.store import Database
from backend.store.second_factors import LOCKED_FOR, MOST_FAILURES
from tests.identity_app import NOWHERE, PASSWORD, bearer

START = 1_900_000_000 // 30 * 30


@pytest.fixture
def clock():
    with time_machine.travel(START, tick=False) as clock:
        yield clock


@pytest.fixture
def tokens(clock, identity: Identity) -> Tokens:
    return identity.login("trader", PASSWORD, *NOWHERE)


class Enrolled:
    """A user's app and recovery codes."""

    def __init__(self, client: FlaskClient, tokens: Tokens) -> None:
        headers = bearer(tokens.access_token)
        begun = client.post("/auth/second-factor", headers=headers).json["data"]
        self.uri, self.seed = begun["uri"], begun["secret"]
        self.app = pyotp.TOTP(self.seed)
        confirmed = client.post(
            "/auth/second-factor/confirm", json={"code": self.code()}, headers=headers
        )
        assert confirmed.status_code == 200, confirmed.text
        self.recovery: list[str] = confirmed.json["data"]["recovery_codes"]

    def code(self) -> str:
        return self.app.at(int(time.time()))


@pytest.fixture
def enrolled(client: FlaskClient, tokens: Tokens, clock) -> Enrolled:
    enrolled = Enrolled(client, tokens)
    clock.shift(60)
    return enrolled


def log_in(client: FlaskClient, code: str | None = None, password: str = PASSWORD):
    body = {"username": "trader", "password": password}
    return client.post("/auth/login", json=body if code is None else body | {"code": code})


def outcome(answer) -> tuple[int, str]:
    return answer.status_code, answer.json.get("type", "ok")


def test_a_login_takes_password_and_code(client: FlaskClient, enrolled: Enrolled) -> None:
    assert outcome(log_in(client)) == (401, "second_factor_required")
    assert "data" not in log_in(client).json
    assert outcome(log_in(client, "000000")) == (401, "wrong_code")
    user = log_in(client, enrolled.code()).json["data"]["user"]
    assert (user["username"], user["second_factor"]) == ("trader", True)


def test_whoever_lacks_the_password_does_not_learn_of_it(
    client: FlaskClient, enrolled: Enrolled
) -> None:
    for code in (None, enrolled.code(), "000000"):
        assert outcome(log_in(client, code, "wrong")) == (401, "invalid_credentials")
    assert log_in(client, enrolled.code()).status_code == 200


def test_an_app_reads_the_address(enrolled: Enrolled) -> None:
    parts = urlsplit(enrolled.uri)
    query = parse_qs(parts.query)
    assert (parts.scheme, parts.netloc, parts.path) == ("otpauth", "totp", "/OctoBot:trader")
    assert (query["secret"], query["issuer"]) == ([enrolled.seed], ["OctoBot"])


def test_a_code_works_once(client: FlaskClient, enrolled: Enrolled, clock) -> None:
    code = enrolled.code()
    assert log_in(client, code).status_code == 200
    assert outcome(log_in(client, code)) == (401, "wrong_code")
    clock.shift(30)
    assert outcome(log_in(client, code)) == (401, "wrong_code")
    assert log_in(client, enrolled.code()).status_code == 200


def test_the_code_that_confirmed_works_for_nothing_else(
    client: FlaskClient, tokens: Tokens
) -> None:
    enrolled = Enrolled(client, tokens)
    assert outcome(log_in(client, enrolled.code())) == (401, "wrong_code")


@pytest.mark.parametrize(("late_s", "status"), [(-30, 200), (30, 200), (-60, 401), (60, 401)])
def test_a_clock_may_be_one_step_off(
    client: FlaskClient, enrolled: Enrolled, clock, late_s: int, status: int
) -> None:
    clock.shift(600)
    code = enrolled.app.at(int(time.time()) - late_s)
    assert log_in(client, code).status_code == status


def test_an_earlier_code_does_not_work_after_a_later_one(
    client: FlaskClient, enrolled: Enrolled
) -> None:
    now = int(time.time())
    assert log_in(client, enrolled.app.at(now + 30)).status_code == 200
    assert outcome(log_in(client, enrolled.app.at(now))) == (401, "wrong_code")


def test_of_many_who_send_one_code_at_once_one_gets_in(
    identity: Identity, enrolled: Enrolled
) -> None:
    barrier, code = threading.Barrier(6), enrolled.code()
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
    client: FlaskClient, enrolled: Enrolled
) -> None:
    assert len(set(enrolled.recovery)) == 10
    for code in enrolled.recovery:
        assert log_in(client, code).status_code == 200
        assert outcome(log_in(client, code.replace("-", "").upper())) == (401, "wrong_code")


def test_a_recovery_code_may_be_typed_without_dashes_and_in_capitals(
    client: FlaskClient, enrolled: Enrolled
) -> None:
    assert log_in(client, enrolled.recovery[3].replace("-", " ").upper()).status_code == 200


def test_recovery_codes_of_another_are_of_no_use(
    client: FlaskClient, identity: Identity, enrolled: Enrolled
) -> None:
    viewer = identity.login("viewer", PASSWORD, *NOWHERE)
    others = Enrolled(client, viewer)
    assert outcome(log_in(client, others.recovery[0])) == (401, "wrong_code")


def test_wrong_codes_lock_the_second_factor_for_a_while(
    client: FlaskClient, enrolled: Enrolled, clock
) -> None:
    for _ in range(MOST_FAILURES):
        assert outcome(log_in(client, "000000")) == (401, "wrong_code")
    locked = log_in(client, enrolled.code())
    assert outcome(locked) == (429, "rate_limited")
    assert int(locked.headers["Retry-After"]) > 0
    assert outcome(log_in(client, enrolled.recovery[0])) == (429, "rate_limited")
    clock.shift(LOCKED_FOR.total_seconds())
    assert log_in(client, enrolled.code()).status_code == 200


def test_guessing_without_the_password_locks_nobody_out(
    client: FlaskClient, enrolled: Enrolled
) -> None:
    for number in range(2 * MOST_FAILURES):
        assert log_in(client, f"{number:06}", "wrong").status_code == 401
    assert log_in(client, enrolled.code()).status_code == 200


def test_brute_force_of_codes_gets_nowhere(client: FlaskClient, enrolled: Enrolled, clock) -> None:
    tried = Counter(outcome(log_in(client, f"{number:06}"))[1] for number in range(1000, 1040))
    assert tried == {"wrong_code": MOST_FAILURES, "rate_limited": 40 - MOST_FAILURES}


def test_nothing_is_in_force_before_a_code_was_shown(client: FlaskClient, tokens: Tokens) -> None:
    headers = bearer(tokens.access_token)
    seed = client.post("/auth/second-factor", headers=headers).json["data"]["secret"]
    assert log_in(client).status_code == 200
    wrong = client.post("/auth/second-factor/confirm", json={"code": "000000"}, headers=headers)
    assert (wrong.status_code, wrong.json["fields"][0]["field"]) == (400, "code")
    assert log_in(client).status_code == 200
    again = client.post("/auth/second-factor", headers=headers).json["data"]["secret"]
    assert again != seed
    stale = {"code": pyotp.TOTP(seed).at(int(time.time()))}
    confirm = client.post("/auth/second-factor/confirm", json=stale, headers=headers)
    assert confirm.status_code == 400


def test_a_second_factor_in_force_is_not_replaced_in_passing(
    client: FlaskClient, tokens: Tokens, enrolled: Enrolled
) -> None:
    headers = bearer(tokens.access_token)
    for path, body in (("", None), ("/confirm", {"code": enrolled.code()})):
        answer = client.post(f"/auth/second-factor{path}", json=body, headers=headers)
        assert outcome(answer) == (409, "conflict")
    assert log_in(client, enrolled.code()).status_code == 200


def test_stepping_up_takes_the_code_where_there_is_one(
    client: FlaskClient, identity: Identity, enrolled: Enrolled, clock
) -> None:
    tokens = log_in(client, enrolled.code()).json["data"]
    clock.shift(600)
    headers = bearer(tokens["access_token"])
    by_password = client.post("/auth/step-up", json={"password": PASSWORD}, headers=headers)
    assert (by_password.status_code, by_password.json["fields"][0]["field"]) == (400, "code")
    fresh = client.post("/auth/step-up", json={"code": enrolled.code()}, headers=headers)
    principal = identity.verify_access_token(fresh.json["data"]["access_token"])
    assert identity.has_stepped_up(principal) is True


def test_a_changed_password_does_not_stand_in_for_the_code(
    client: FlaskClient, identity: Identity, enrolled: Enrolled
) -> None:
    tokens = log_in(client, enrolled.code()).json["data"]
    changed = client.put(
        "/auth/password",
        json={"current_password": PASSWORD, "new_password": "a horse of another colour"},
        headers=bearer(tokens["access_token"]),
    ).json["data"]
    assert identity.has_stepped_up(identity.verify_access_token(changed["access_token"])) is False


def test_it_is_removed_by_its_owner_after_a_step_up(
    client: FlaskClient, enrolled: Enrolled, clock
) -> None:
    tokens = log_in(client, enrolled.code()).json["data"]
    renewed = client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    refused = client.delete(
        "/auth/second-factor", headers=bearer(renewed.json["data"]["access_token"])
    )
    assert outcome(refused) == (403, "step_up_required")
    removed = client.delete("/auth/second-factor", headers=bearer(tokens["access_token"]))
    assert removed.json["data"] == {"second_factor": False}
    assert log_in(client).json["data"]["user"]["second_factor"] is False


def test_an_admin_removes_that_of_a_user_who_lost_everything(
    client: FlaskClient, identity: Identity, enrolled: Enrolled, tokens: Tokens
) -> None:
    admin = bearer(identity.login("admin", PASSWORD, *NOWHERE).access_token)
    path = f"/users/{tokens.user.id}/second-factor"
    assert client.delete(path, headers=admin).status_code == 200
    assert log_in(client).status_code == 200
    assert client.delete("/users/nobody/second-factor", headers=admin).status_code == 404


def test_neither_seed_nor_recovery_codes_are_in_the_database(
    database: Database, enrolled: Enrolled
) -> None:
    with database.engine.connect() as connection:
        content = "\n".join(
            str(row)
            for table in ("second_factors", "recovery_codes", "audit_entries", "users")
            for row in connection.execute(text(f"SELECT * FROM {table}"))
        )
    assert "enc:v1:" in content
    for secret in (enrolled.seed, *enrolled.recovery):
        assert secret not in content
        assert secret.replace("-", "") not in content


def test_a_seed_copied_to_another_user_does_not_open(
    client: FlaskClient, identity: Identity, database: Database, enrolled: Enrolled, clock
) -> None:
    viewer = identity.login("viewer", PASSWORD, *NOWHERE)
    Enrolled(client, viewer)
    clock.shift(60)
    with database.engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE second_factors SET sealed = (SELECT sealed FROM second_factors "
                "WHERE user_id != :id) WHERE user_id = :id"
            ),
            {"id": viewer.user.id},
        )
    body = {"username": "viewer", "password": PASSWORD, "code": enrolled.code()}
    assert client.post("/auth/login", json=body).status_code == 409
