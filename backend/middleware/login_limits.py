"""Limits on attempts at passwords that an attacker cannot aim at the owner of an account.

Strangers are counted by address, site, account, and all together. A network from which the
account's owner has logged in before has a reserve of its own, which nobody elsewhere can use up;
so has each open session for its step-up.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast, get_type_hints

from backend.errors import RateLimited
from backend.identity.networks import network_of, site_of
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
        username = cast(Login, arguments["json"]).username.lower()
        try:
            count_limits(*_of_strangers(username))
        except RateLimited:
            reserve = _reserve(username)
            if reserve is None:
                raise
            count_limits(reserve, instead=True)

    return _counted(view, "login", count)


def limited_proofs(view: Callable[P, T]) -> Callable[P, T]:
    """Limit how often the bearer of an access token may try to prove who they are.

    Counted by session: neither guesses at the account's password elsewhere nor those
    of another session use it up. Raises `RateLimited`.
    """

    def count(_arguments: dict[str, object]) -> None:
        count_limits(("proof", current_principal().session_id))

    return _counted(view, "proof", count)


def _counted(
    view: Callable[P, T], rate_class: RateClass, count: Callable[[dict[str, object]], None]
) -> Callable[P, T]:
    @functools.wraps(view)
    def limited_view(*args: P.args, **kwargs: P.kwargs) -> T:
        if services().rate_limits is not None:
            count(kwargs)
        return view(*args, **kwargs)

    # their names mean something in the view's module only
    limited_view.__annotations__ = get_type_hints(view)
    limited_view.rate_class = rate_class  # type: ignore[attr-defined]
    return limited_view


def _of_strangers(username: str) -> list[tuple[RateKind, str]]:
    """Return what an attempt counts in; who has used up one of them counts in no later one.

    So an address does not use up the limits of all with what it is refused.
    """
    address, account = remote_address(), _digest(username)
    return [
        ("login", network_of(address)),
        ("site", site_of(address)),
        ("account", account),
        ("account_hour", account),
        ("all_logins", "all"),
    ]


def _reserve(username: str) -> tuple[RateKind, str] | None:
    address = remote_address()
    if not services().identity.knows_network(username, address):
        return None
    return "known_login", f"{_digest(username)} {network_of(address)}"


def _digest(name: str) -> str:
    """Make a key of a text that a client chose."""
    return hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:32]
