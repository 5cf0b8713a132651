"""New passwords: long enough for the role, and none that is guessed first."""

from __future__ import annotations

import pytest

from backend.settings.password_rules import password_weakness

COMMON = "is one of the passwords that are guessed first; choose another one"
ROW = "must not be a row of the keyboard, of digits or of letters"


@pytest.mark.parametrize(
    ("password", "weakness"),
    [
        ("password123", COMMON),
        ("Password1234!", COMMON),
        ("P@ssw0rd1234", COMMON),
        ("passwordpassword", COMMON),
        ("Manchester2024!", COMMON),
        ("letmeinletmein", COMMON),
        ("1q2w3e4r5t6y", ROW),
        ("1234567890", ROW),
        ("0987654321", ROW),
        ("abcdefghijkl", ROW),
        ("qwertyuiop", ROW),
        ("aaaaaaaaaaaa", "must have at least 5 different characters"),
        ("alice-was-here", "must not contain the username"),
        ("ninechars", "must have at least 10 characters, for the role trader"),
    ],
)
def test_a_weak_password_is_named_for_what_is_wrong(password: str, weakness: str) -> None:
    assert password_weakness(password, "alice", "trader") == weakness


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "a horse of another colour",
        "Vv6-hT0pRq3_",
        "пароль мой длинный",
    ],
)
def test_others_are_taken(password: str) -> None:
    assert password_weakness(password, "alice", "admin") is None


def test_an_admins_password_is_longer() -> None:
    assert password_weakness("xk2-mfp9wq", "alice", "trader") is None
    told = "must have at least 12 characters, for the role admin"
    assert password_weakness("xk2-mfp9wq", "alice", "admin") == told
