"""Attackers who use up the limits of logins, and an owner who goes on all the same."""

from __future__ import annotations

import pytest
from flask import Flask  # noqa: F401 - a fixture's type

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
FEW_NEW_NETWORKS = {
    "rate_limit_account_new_networks": "1/hour",
    "rate_limit_all_new_networks": "1/hour",
}


def log_in_at_home(client: ApiClient) -> ApiClient:
    """Log the trader in from home, as they have done before the attack."""
    answer = log_in(client, HOME, "trader", PASSWORD)
    assert answer.status_code == 200, answer.text
    return ApiClient(client.app, answer.get_json()["data"]["access_token"])


def guess(client: ApiClient, count: int, username: str | None = None) -> list[int]:
    """Guess passwords, each time from another address and at another name unless one is given."""
    return [
        log_in(client, f"203.0.113.{n}", username or f"made-up-{n}").status_code
        for n in range(count)
    ]


def test_the_owner_logs_in_while_strangers_use_up_the_accounts_limit(
    start_client: NewClient,  # noqa: F811
) -> None:
    client = start_client(**FEW_NEW_NETWORKS)
    log_in_at_home(client)
    assert guess(client, 12, "trader")[-1] == 429
    assert told(log_in(client, "192.0.2.9", "trader", PASSWORD)) == TOO_MANY
    answer = log_in(client, HOME, "trader", PASSWORD)
    assert answer.status_code == 200
    assert answer.headers["RateLimit-Limit"] == "10"
    assert answer.headers["RateLimit-Remaining"] == "9"


def test_the_owner_steps_up_and_changes_the_password_meanwhile(
    start_client: NewClient,  # noqa: F811
) -> None:
    client = start_client(**FEW_NEW_NETWORKS)
    owner = log_in_at_home(client)
    assert guess(client, 12, "trader")[-1] == 429
    headers = {"X-Forwarded-For": "192.0.2.200"}  # on the way, in another network
    proof = {"password": PASSWORD}
    answers = [owner.send("POST", "/auth/step-up", json=proof, headers=headers) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 6
    same = {"current_password": PASSWORD, "new_password": PASSWORD}
    answer = owner.send("PUT", "/auth/password", json=same, headers=headers)
    assert answer.status_code == 400  # the password was checked: it must differ


def test_the_owner_logs_in_while_made_up_names_use_up_all_logins(
    start_client: NewClient,  # noqa: F811
) -> None:
    client = start_client(rate_limit_all_logins="20/minute", **FEW_NEW_NETWORKS)
    owner = log_in_at_home(client)
    assert guess(client, 22)[-1] == 429
    assert told(log_in(client, "192.0.2.9", "viewer", PASSWORD)) == TOO_MANY
    assert log_in(client, HOME, "trader", PASSWORD).status_code == 200
    proof = {"password": PASSWORD}
    assert owner.send("POST", "/auth/step-up", json=proof).status_code == 200


def test_the_owner_logs_in_from_an_address_where_others_guess(
    start_client: NewClient,  # noqa: F811
) -> None:
    client = start_client()
    log_in_at_home(client)
    answers = [told(log_in(client, HOME, f"made-up-{n}")) for n in range(5)]
    assert answers == [WRONG] * 4 + [TOO_MANY]
    assert told(log_in(client, HOME, "viewer", PASSWORD)) == TOO_MANY
    assert log_in(client, HOME, "trader", PASSWORD).status_code == 200


def test_a_known_network_gets_few_guesses_too(start_client: NewClient) -> None:  # noqa: F811
    client = start_client(rate_limit_known_login="2/minute", rate_limit_login="3/minute")
    log_in_at_home(client)
    answers = [told(log_in(client, HOME)) for _ in range(6)]
    assert answers == [WRONG] * 4 + [TOO_MANY] * 2


def test_another_process_knows_the_network_as_well(
    start_client: NewClient,  # noqa: F811
) -> None:
    log_in_at_home(start_client())
    other = start_client(**FEW_NEW_NETWORKS)
    assert guess(other, 12, "trader")[-1] == 429
    assert log_in(other, HOME, "trader", PASSWORD).status_code == 200


def test_guesses_from_many_addresses_stay_bounded_by_the_hour(
    start_client: NewClient,  # noqa: F811
) -> None:
    client = start_client(
        rate_limit_account="100/minute", rate_limit_account_hour="4/hour", **FEW_NEW_NETWORKS
    )
    answers = [log_in(client, f"203.0.113.{n}", "trader") for n in range(6)]
    assert [told(answer) for answer in answers] == [WRONG] * 5 + [TOO_MANY]
    assert 3500 < int(answers[-1].headers["Retry-After"]) <= 3600
    assert log_in(client, "203.0.113.9", "viewer", PASSWORD).status_code == 200


@pytest.mark.parametrize(
    ("networks", "expected"),
    [
        ([f"2001:db8:1:{n}::1" for n in range(6)], [WRONG] * 4 + [TOO_MANY] * 2),
        ([f"2001:db8:{n}::1" for n in range(6)], [WRONG] * 6),
    ],
    ids=["one /48", "several"],
)
def test_the_networks_of_one_site_are_counted_together(
    start_client: NewClient,  # noqa: F811
    networks: list[str],
    expected: list[tuple[int, str]],
) -> None:
    client = start_client(rate_limit_site="4/minute")
    answers = [told(log_in(client, address, f"made-up-{n}")) for n, address in enumerate(networks)]
    assert answers == expected
