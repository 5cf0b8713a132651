"""Limits on attempts at passwords that an attacker cannot aim at the owner of an account.

Strangers are counted by address, site, account, and all together, and wait longer after each
wrong password. The owner has ways past them: a device token and each network of an earlier login
have a reserve of their own, which nobody elsewhere can use up; a network that has not tried yet
has a few tries at once, however many others guess; each open session has its step-ups.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar, cast, get_type_hints

from backend.client_networks import network_of, site_of
from backend.errors import RateLimited
from backend.middleware.auth import current_principal
from backend.middleware.rate_limit import count_limits, remote_address
from backend.schemas.auth import Login
from backend.services import RateClass, RateKind, services

P = ParamSpec("P")
T = TypeVar("T")


def limited_logins(view: Callable[P, T]) -> Callable[P, T]:
    """Limit how often passwords may be tried, before one is checked.

    Stands below `api.validate`. Raises `RateLimited`.
    """

    def count(arguments: dict[str, object]) -> None:
        given = cast(Login, arguments["json"])
        username = given.username.lower()
        device = _known_device(username, given.device_token)
        if device is None:
            _count_stranger(username)
        else:
            _refuse_early_try(device)
            count_limits(("known_login", device))

    def forget(arguments: dict[str, object]) -> None:
        limits, given = services().rate_limits, cast(Login, arguments["json"])
        if limits is not None:
            username = given.username.lower()
            device = _known_device(username, given.device_token)
            limits.forget_tries(device or _pair(username))

    return _counted(view, "login", count, forget)


def limited_proofs(view: Callable[P, T]) -> Callable[P, T]:
    """Limit how often the bearer of an access token may try to prove who they are.

    Counted by session: neither guesses at the account's password elsewhere nor those
    of another session use it up. Raises `RateLimited`.
    """

    def count(_arguments: dict[str, object]) -> None:
        count_limits(("proof", current_principal().session_id))

    return _counted(view, "proof", count)


def _counted(
    view: Callable[P, T],
    rate_class: RateClass,
    count: Callable[[dict[str, object]], None],
    succeed: Callable[[dict[str, object]], None] = lambda _arguments: None,
) -> Callable[P, T]:
    @functools.wraps(view)
    def limited_view(*args: P.args, **kwargs: P.kwargs) -> T:
        if services().rate_limits is not None:
            count(kwargs)
        answer = view(*args, **kwargs)
        succeed(kwargs)
        return answer

    # their names mean something in the view's module only
    limited_view.__annotations__ = get_type_hints(view)
    limited_view.rate_class = rate_class  # type: ignore[attr-defined]
    return limited_view


def _count_stranger(username: str) -> None:
    """Count an attempt in the limits of strangers, or in the reserve of a known network.

    Who has used one limit up counts in no later one: so an address does not use up those of
    all with what it is refused.
    """
    address, account = remote_address(), _digest(username)
    try:
        count_limits(("login", network_of(address)), ("site", site_of(address)))
        try:
            count_limits(("account", account), ("account_hour", account), ("all_logins", "all"))
        except RateLimited:
            if not _is_new_network(account):
                raise
        _refuse_early_try(_pair(username))
    except RateLimited:
        if not services().identity.knows_network(username, address):
            raise
        count_limits(("known_login", _pair(username)), instead=True)


def _is_new_network(account: str) -> bool:
    """Count an attempt in the reserve of networks that have made few; False without any left.

    The networks that used up the account's limit use up their own share of it.
    """
    limits = services().rate_limits
    return limits is not None and all(
        limits.count(kind, caller).left >= 0
        for kind, caller in _of_new_networks(site_of(remote_address()), account)
    )


def _of_new_networks(site: str, account: str) -> Iterator[tuple[RateKind, str]]:
    yield "new_network", site
    yield "account_new_networks", account
    yield "all_new_networks", "all"


def _refuse_early_try(caller: str) -> None:
    limits = services().rate_limits
    wait_s = 0 if limits is None else limits.delay_try(caller)
    if wait_s:
        raise RateLimited(
            f"too many wrong passwords; try again in {wait_s} s", retry_after_s=wait_s
        )


def _known_device(username: str, token: str | None) -> str | None:
    """Return a key of the device that a token names, None for one that is not the user's."""
    if token is None:
        return None
    device_id = services().identity.device_tokens.find_device(username, token)
    return None if device_id is None else f"{_digest(username)} device {device_id}"


def _pair(username: str) -> str:
    """Return a key of an account and the network that tries to log in to it."""
    return f"{_digest(username)} {network_of(remote_address())}"


def _digest(name: str) -> str:
    """Make a key of a text that a client chose."""
    return hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:32]
