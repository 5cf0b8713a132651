"""Rules for new passwords: their length by role, and none that is among the first to be guessed.

They follow NIST SP 800-63B: length, and a list of common passwords; no kinds of characters are
demanded.
"""

from __future__ import annotations

import functools
import importlib.resources
import unicodedata
from typing import Final, Literal

MIN_LENGTHS: Final = {"viewer": 10, "trader": 10, "admin": 12}
_FEWEST_CHARACTERS = 5
_SHORTEST_NAME = 4
_SEQUENCES = (
    "01234567890123456789",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
    "1q2w3e4r5t6y7u8i9o0p",
)
_SUBSTITUTES = str.maketrans("@$0134578", "asoieastb")


def password_weakness(
    password: str, username: str, role: Literal["viewer", "trader", "admin"]
) -> str | None:
    """Return what is wrong with a new password, to be put after its field's name, or None.

    A common password is one also with other capitals, with digits and signs around it, and with
    `@` for `a` and the like.
    """
    shortest = MIN_LENGTHS[role]
    if len(password) < shortest:
        return f"must have at least {shortest} characters, for the role {role}"
    folded = unicodedata.normalize("NFKC", password).casefold()
    if len(set(folded)) < _FEWEST_CHARACTERS:
        return f"must have at least {_FEWEST_CHARACTERS} different characters"
    if len(username) >= _SHORTEST_NAME and username.casefold() in folded:
        return "must not contain the username"
    if _is_sequence(folded):
        return "must not be a row of the keyboard, of digits or of letters"
    if _is_common(folded):
        return "is one of the passwords that are guessed first; choose another one"
    return None


def _is_sequence(folded: str) -> bool:
    return any(
        folded in sequence or folded[::-1] in sequence for sequence in (s * 3 for s in _SEQUENCES)
    )


def _is_common(folded: str) -> bool:
    common = _common_passwords()
    spellings = (folded, _without_frame(folded))
    plain = [spelling.translate(_SUBSTITUTES) for spelling in spellings]
    return any(
        spelling in common or _is_repetition(spelling)
        for spelling in (*spellings, *plain, _without_frame(plain[0]))
    )


def _without_frame(text: str) -> str:
    """Return a text without the digits and signs before and after its letters."""
    letters = [place for place, character in enumerate(text) if character.isalpha()]
    return text[letters[0] : letters[-1] + 1] if letters else text


def _is_repetition(text: str) -> bool:
    """Return whether a text is a common password several times over."""
    common = _common_passwords()
    return any(
        len(text) % length == 0
        and text[:length] in common
        and text == text[:length] * (len(text) // length)
        for length in range(4, len(text) // 2 + 1)
    )


@functools.cache
def _common_passwords() -> frozenset[str]:
    file = importlib.resources.files("backend.settings") / "common_passwords.txt"
    lines = file.read_text(encoding="ascii").splitlines()
    return frozenset(line for line in lines if not line.startswith("#"))
