"""Names, phone numbers and referral codes as they may be entered."""

from __future__ import annotations

import csv
import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.schemas.profile_fields import parse_name, parse_phone

CHARACTERS = "takes letters, digits, spaces and . , ' ’ ( ) - only"
BEGINNING = "must begin with a letter or digit"
LENGTH = "must have at most 100 characters"


@pytest.mark.parametrize(
    ("entered", "kept"),
    [
        ("Ada Lovelace", "Ada Lovelace"),
        ("  Ada   Lovelace ", "Ada Lovelace"),
        ("O’Brien-Smith, Jr.", "O’Brien-Smith, Jr."),
        ("'t Hooft", "'t Hooft"),
        ("Нгуен Мария", "Нгуен Мария"),
        ("王小明", "王小明"),
        ("محمد", "محمد"),
        ("नेहा", "नेहा"),
        ("Zoe\u0308", "Zo\u00eb"),
        ("x" * 100, "x" * 100),
    ],
)
def test_names_of_all_scripts_are_kept(entered: str, kept: str) -> None:
    assert parse_name(entered) == kept


@pytest.mark.parametrize(
    ("entered", "reason"),
    [
        ("", BEGINNING),
        ("   ", BEGINNING),
        ("'", BEGINNING),
        ("-1+2", CHARACTERS),
        ("-Ada", BEGINNING),
        ("\u0301a", BEGINNING),
        ('=HYPERLINK("http://x")', CHARACTERS),
        ("+49", CHARACTERS),
        ("@SUM(A1)", CHARACTERS),
        ("Ada\n", CHARACTERS),
        ("Ada\r\nBcc: eve", CHARACTERS),
        ("Ada\tB", CHARACTERS),
        ("Ada\x00", CHARACTERS),
        ("Ada\x1b[2J", CHARACTERS),
        ("Ada\u202eecalevoL", CHARACTERS),
        ("Ada\u200b", CHARACTERS),
        ("Ada\u2028", CHARACTERS),
        ("Ada\ud800", CHARACTERS),
        ("<b>Ada</b>", CHARACTERS),
        ('Ada", "role": "admin', CHARACTERS),
        ("Ada 🚀", CHARACTERS),
        ("x" * 101, LENGTH),
        ("\u0958" * 51, LENGTH),
    ],
)
def test_other_names_are_refused_with_the_reason(entered: str, reason: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        parse_name(entered)
    assert str(refused.value) == reason


@given(st.text(max_size=110))
def test_a_kept_name_is_plain_text_and_kept_as_it_is(entered: str) -> None:
    try:
        name = parse_name(entered)
    except ValueError:
        return
    assert parse_name(name) == name
    assert unicodedata.is_normalized("NFC", name)
    assert name.isprintable()
    assert not set(name) & set('=+@"<>&;|\\`$%')
    assert name[0] not in "-="
    written = io.StringIO()
    csv.writer(written).writerow([name, 1])
    assert list(csv.reader(io.StringIO(written.getvalue()))) == [[name, "1"]]


@pytest.mark.parametrize("number", ["+4930123", "+493012345678", "+123456789012345"])
def test_phone_numbers_in_e164_are_kept(number: str) -> None:
    assert parse_phone(number) == number


@pytest.mark.parametrize(
    "number",
    [
        *("", "+", "493012345678", "+0493012345678", "+49 30 12345678", "+49-30-12345678"),
        *("+493012", "+1234567890123456", "+493012345678\n", "+49301234567x", "00493012345678"),
        *("+٤٩٣٠١٢٣٤٥٦٧٨", "=+493012345678", "+493012345678;ext=1"),
    ],
)
def test_other_phone_numbers_are_refused(number: str) -> None:
    with pytest.raises(ValueError, match=r"\(E\.164\)"):
        parse_phone(number)
