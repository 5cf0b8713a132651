"""Types of what users enter about themselves: names, phone numbers, referral codes."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

LONGEST_NAME = 100
LONGEST_DEVICE_NAME = 60
_SIGNS = ".,'’()-"
_DEVICE_SIGNS = f"{_SIGNS}&/#+_"
_CATEGORIES = frozenset({"Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Nd"})
_SPACES = re.compile(" +")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_REFERRAL_CODE = re.compile(r"[a-hjkmnp-z2-9]{12}")
_PHONE_EXAMPLE = "+493012345678"


def parse_name(text: str, signs: str = _SIGNS, longest: int = LONGEST_NAME) -> str:
    """Return a name in Unicode's form NFC, with single spaces.

    Letters and digits of all scripts are allowed, and few signs: none that a terminal, a web page
    or a spreadsheet would take for more than text. Raises ValueError.
    """
    if len(text) > longest:
        raise ValueError(f"must have at most {longest} characters")
    name = _SPACES.sub(" ", unicodedata.normalize("NFC", text)).strip(" ")
    for character in name:
        if character not in f" {signs}" and unicodedata.category(character) not in _CATEGORIES:
            raise ValueError(f"takes letters, digits, spaces and {' '.join(signs)} only")
    if not name[:1].isalnum() and not (name[:1] in ("'", "’") and name[1:2].isalnum()):
        raise ValueError("must begin with a letter or digit")
    if len(name) > longest:  # composed forms can be longer
        raise ValueError(f"must have at most {longest} characters")
    return name


def parse_phone(text: str) -> str:
    """Return a phone number in E.164's form; raises ValueError for any other form."""
    if not _E164.fullmatch(text):
        raise ValueError(f"must be + and 7 to 15 digits (E.164), such as {_PHONE_EXAMPLE}")
    return text


def _parse_device_name(text: str) -> str:
    return parse_name(text, _DEVICE_SIGNS, LONGEST_DEVICE_NAME)


def _parse_referral_code(text: str) -> str:
    code = text.lower()
    if not _REFERRAL_CODE.fullmatch(code):
        raise ValueError("must be 12 letters and digits, such as abcd2345efgh")
    return code


def _text(longest: int, example: str, shortest: int = 1) -> WithJsonSchema:
    bounds = {"minLength": shortest, "maxLength": longest}
    return WithJsonSchema({"type": "string", **bounds, "examples": [example]})


PersonName = Annotated[str, AfterValidator(parse_name), _text(LONGEST_NAME, "Ada Lovelace")]
"""A person's name: letters and digits of all scripts, spaces and some signs."""

DeviceName = Annotated[
    str, AfterValidator(_parse_device_name), _text(LONGEST_DEVICE_NAME, "Ada's phone")
]
"""A device's name, as its user calls it."""

Phone = Annotated[
    str,
    AfterValidator(parse_phone),
    WithJsonSchema(
        {"type": "string", "pattern": f"^{_E164.pattern}$", "examples": [_PHONE_EXAMPLE]}
    ),
]
"""A phone number in E.164's form."""

ReferralCode = Annotated[
    str, AfterValidator(_parse_referral_code), _text(12, "abcd2345efgh", shortest=12)
]
"""A referral code, converted to lower case."""

NameChange = Annotated[
    str,
    AfterValidator(lambda text: text and parse_name(text)),
    _text(LONGEST_NAME, "Ada Lovelace", shortest=0),
]
"""A person's name, or the empty text, which removes it."""

PhoneChange = Annotated[
    str,
    AfterValidator(lambda text: text and parse_phone(text)),
    WithJsonSchema(
        {"type": "string", "pattern": f"^({_E164.pattern})?$", "examples": [_PHONE_EXAMPLE]}
    ),
]
"""A phone number, or the empty text, which removes it."""
