"""Growing delays between tries, device tokens, and new networks while many others guess."""

from __future__ import annotations

import pytest
from limits.storage import Storage

from backend.middleware.login_delays import LoginDelays, delay_after
from backend.middleware.rate_limit_storage import MonotonicStorage
from tests.api_client import PASSWORD, ApiClient
from tests.middleware.test_login_limits import (  # noqa: F401 - fixtures
    TOO_MANY,
    WRONG,
    NewClient,
    log_in,
    start_client,
    told,
)

HOME = "198.51.100.7"
# A login makes a network known, and its delays flat: each test has networks of its own.


class Clock:
    """Monotonic clock that stands until it is advanced."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def storage(clock: Clock) -> Storage:
    return MonotonicStorage(clock=clock)


def test_each_wrong_try_doubles_the_wait_up_to_a_quarter_of_an_hour() -> None:
    delays = [delay_after(tries) for tries in range(15)]
    assert delays == [0, 0, 0, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]
    assert delay_after(10**9) == 900


def test_a_try_that_comes_too_early_is_told_when_to_come_and_counts_not(
    storage: Storage, clock: Clock
) -> None:
    delays = LoginDelays(storage)
    assert [delays.count_try("a") for _ in range(4)] == [0] * 4
    assert [delays.count_try("a") for _ in range(3)] == [2] * 3
    clock.now += 2.1
    assert [delays.count_try("a"), delays.count_try("a")] == [0, 4]
    assert delays.count_try("b") == 0


def test_a_right_try_and_an_hour_forget_the_wrong_ones(storage: Storage, clock: Clock) -> None:
    delays = LoginDelays(storage)
    for _ in range(5):
        delays.count_try("a")
    delays.forget("a")
    assert [delays.count_try("a") for _ in range(5)] == [0, 0, 0, 0, 2]
    clock.now += 3601
    assert delays.count_try("a") == 0


def test_wrong_passwords_of_a_network_delay_it_at_that_account_only(
    start_client: NewClient,  # noqa: F811
) -> None:
    client = start_client(rate_limit_login="100/minute", rate_limit_account="100/minute")
    answers = [log_in(client, "198.18.4.1") for _ in range(4)]
    assert [told(answer) for answer in answers] == [WRONG] * 4
    # a machine that hashes slowly may let the first delays pass: they double each time
    while told(answers[-1]) == WRONG and len(answers) < 12:
        answers.append(log_in(client, "198.18.4.1"))
    assert told(answers[-1]) == TOO_MANY
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 900
    assert told(log_in(client, "198.18.4.1", "trader", PASSWORD)) == TOO_MANY
    assert told(log_in(client, "198.18.4.1", "viewer")) == WRONG
    assert log_in(client, "198.18.4.2", "trader", PASSWORD).status_code == 200


def test_a_right_password_ends_the_delay(start_client: NewClient) -> None:  # noqa: F811
    client = start_client(rate_limit_login="100/minute", rate_limit_account="100/minute")
    for _ in range(3):
        assert told(log_in(client, "198.18.5.1")) == WRONG
        assert told(log_in(client, "198.18.5.1")) == WRONG
        assert log_in(client, "198.18.5.1", "trader", PASSWORD).status_code == 200


def test_twenty_addresses_that_guess_do_not_keep_the_owner_out_of_a_new_network(
    start_client: NewClient,  # noqa: F811
) -> None:
    client = start_client()
    for _ in range(8):
        for n in range(20):
            log_in(client, f"203.0.113.{n}", "viewer")
    assert told(log_in(client, "203.0.113.3", "viewer")) == TOO_MANY
    assert told(log_in(client, "192.0.2.77", "viewer", "mistyped")) == WRONG
    assert log_in(client, "192.0.2.77", "viewer", PASSWORD).status_code == 200


def test_nor_do_they_with_made_up_names(start_client: NewClient) -> None:  # noqa: F811
    client = start_client(rate_limit_all_logins="20/minute")
    for guess in range(4):
        for n in range(20):
            log_in(client, f"203.0.113.{n}", f"made-up-{n}-{guess}")
    assert told(log_in(client, "203.0.113.3", "viewer")) == TOO_MANY
    assert log_in(client, "192.0.2.78", "viewer", PASSWORD).status_code == 200


def test_new_networks_have_a_bound_too(start_client: NewClient) -> None:  # noqa: F811
    client = start_client(
        rate_limit_account="1/minute",
        rate_limit_new_network="2/hour",
        rate_limit_account_new_networks="5/hour",
    )
    answers = [log_in(client, f"198.18.1.{n // 3}") for n in range(12)]
    expected = [WRONG] * 3 + [WRONG, WRONG, TOO_MANY] + [WRONG] + [TOO_MANY] * 5
    assert [told(answer) for answer in answers] == expected
    assert int(answers[-1].headers["Retry-After"]) <= 60
    assert answers[-1].headers["RateLimit-Reset"] == answers[-1].headers["Retry-After"]


def log_in_on(client: ApiClient, device_token: str | None, address: str, password: str) -> object:
    body = {"username": "Trader", "password": password, "device_token": device_token}
    headers = {"X-Forwarded-For": address}
    return told(client.send("POST", "/auth/login", json=body, headers=headers))[0]


def test_a_device_token_lets_the_owner_in_from_where_others_guess(
    start_client: NewClient,  # noqa: F811
) -> None:
    client = start_client(rate_limit_known_login="3/minute")
    token = log_in(client, HOME, "trader", PASSWORD).get_json()["data"]["device_token"]
    for _ in range(8):
        log_in(client, "198.18.2.1", "trader")
    assert log_in_on(client, None, "198.18.2.1", PASSWORD) == 429
    assert log_in_on(client, token, "198.18.2.1", PASSWORD) == 200
    assert log_in_on(client, token, "198.18.2.1", "mistyped") == 401
    assert log_in_on(client, token, "198.18.2.1", PASSWORD) == 200
    assert log_in_on(client, token, "198.18.2.1", PASSWORD) == 429


@pytest.mark.parametrize("damage", ["", "x", "{token}0", "é.{token}", "{token}" * 2, "0{token}"])
def test_a_made_up_device_token_is_a_strangers(
    start_client: NewClient,  # noqa: F811
    damage: str,
) -> None:
    client = start_client()
    own = log_in(client, HOME, "trader", PASSWORD).get_json()["data"]["device_token"]
    for _ in range(8):
        log_in(client, "198.18.3.1", "trader")
    token = damage.replace("{token}", own)
    assert log_in_on(client, token, "198.18.3.1", PASSWORD) in (429, 400)


def test_a_device_token_is_of_its_user(start_client: NewClient) -> None:  # noqa: F811
    client = start_client()
    others = log_in(client, HOME, "viewer", PASSWORD).get_json()["data"]["device_token"]
    for _ in range(8):
        log_in(client, "198.18.3.1", "trader")
    assert log_in_on(client, others, "198.18.3.1", PASSWORD) == 429


def test_wrong_passwords_on_a_device_are_delayed_as_well(
    start_client: NewClient,  # noqa: F811
) -> None:
    client = start_client(rate_limit_known_login="100/minute")
    token = log_in(client, HOME, "trader", PASSWORD).get_json()["data"]["device_token"]
    answers = [log_in_on(client, token, f"198.18.3.{n}", "wrong") for n in range(6)]
    assert answers == [401] * 4 + [429] * 2
