"""Readings of telephone numbers: a table of what platforms send, and the short cuts held against the authority."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.phone import PHONE_MAX_CHARS, Phone, PhoneKind, read_phone, read_phone_slowly

VALID = [
    ("+77012345678", "+77012345678"),
    ("87012345678", "+77012345678"),
    ("77012345678", "+77012345678"),
    ("7012345678", "+77012345678"),
    ("+7 (701) 234-56-78", "+77012345678"),
    ("8 701 234 56 78", "+77012345678"),
    ("8(701)2345678", "+77012345678"),
    ("8-727-250-00-00", "+77272500000"),
    ("  +7 701 234 56 78 ", "+77012345678"),
    ("tel:+77012345678", "+77012345678"),
    ("sip:+77012345678@atc.example;user=phone", "+77012345678"),
    ("<sip:87012345678@10.0.0.1>", "+77012345678"),
    ("+7 727 250 00 00 доб. 5", "+77272500000"),
    ("７７０１２３４５６７８", "+77012345678"),
    ("0077012345678", "+77012345678"),
    ("00 7 (701) 234-56-78", "+77012345678"),
    ("00996555123456", "+996555123456"),
    # Other plans, and other ways to say so.
    ("+996555123456", "+996555123456"),
    ("996555123456", "+996555123456"),
    ("8~10 996 555 123456", "+996555123456"),
    ("810996555123456", "+996555123456"),
    ("+1 650 253 0000", "+16502530000"),
    ("74951234567", "+74951234567"),
    ("84951234567", "+74951234567"),
    # A prefix that nobody has been given yet is still somebody's call.
    ("+70012345678", "+70012345678"),
]
UNREADABLE = [
    ("", PhoneKind.WITHHELD),
    ("   ", PhoneKind.WITHHELD),
    ("-", PhoneKind.WITHHELD),
    ("Anonymous", PhoneKind.WITHHELD),
    ("sip:anonymous@anonymous.invalid", PhoneKind.WITHHELD),
    ("Not available", PhoneKind.WITHHELD),
    ("N/A", PhoneKind.WITHHELD),
    ("restricted", PhoneKind.WITHHELD),
    ("private", PhoneKind.WITHHELD),
    ("Номер скрыт", PhoneKind.WITHHELD),
    ("СКРЫТ", PhoneKind.WITHHELD),
    ("Не определён", PhoneKind.WITHHELD),
    ("Жасырын нөмір", PhoneKind.WITHHELD),
    ("0000000000", PhoneKind.WITHHELD),
    ("+266696687", PhoneKind.WITHHELD),
    ("112", PhoneKind.SHORT),
    ("1414", PhoneKind.SHORT),
    ("007", PhoneKind.SHORT),
    ("00770123456", PhoneKind.MALFORMED),
    ("250000", PhoneKind.LOCAL),
    ("250-00-00", PhoneKind.LOCAL),
    ("1", PhoneKind.MALFORMED),
    ("+112", PhoneKind.MALFORMED),
    ("+7701234567", PhoneKind.MALFORMED),
    ("+7701234567a", PhoneKind.MALFORMED),
    ("81012345678", PhoneKind.MALFORMED),
    ("70012345678", PhoneKind.MALFORMED),
    ("87012345678,87012345679", PhoneKind.MALFORMED),
    ("not a number", PhoneKind.MALFORMED),
    ("\x00", PhoneKind.WITHHELD),
    ("7" * (PHONE_MAX_CHARS + 1), PhoneKind.MALFORMED),
]


@pytest.mark.parametrize(("text", "e164"), VALID)
def test_read_phone_when_number_is_readable(text: str, e164: str) -> None:
    assert read_phone(text) == Phone(e164, PhoneKind.VALID, text)
    assert read_phone_slowly(text) == read_phone(text)


@pytest.mark.parametrize(("text", "kind"), UNREADABLE)
def test_read_phone_when_number_is_not_readable(text: str, kind: PhoneKind) -> None:
    assert read_phone(text) == Phone("", kind, text)


def test_read_phone_when_region_differs() -> None:
    assert read_phone("0555 123456", "KG").e164 == "+996555123456"
    assert read_phone("8 495 123 45 67", "RU").e164 == "+74951234567"
    assert read_phone("+7 701 234 56 78", "KG").e164 == "+77012345678"


DIGITS = st.text("0123456789", min_size=8, max_size=12)
SEPARATOR = st.sampled_from(["", "", " ", "-", "(", ")", ") ", " (", ".", "  "])


@st.composite
def spellings(draw: st.DrawFn) -> str:
    """Spellings around the plain ones of country code 7: some inside, some just outside the short cuts."""
    prefix = draw(st.sampled_from(["+7", "8", "7", "", "+8", "87", "77", "78", "810", "+77", "+78", "00", "007", "0077"]))
    digits = draw(DIGITS)
    if draw(st.booleans()):
        return prefix + digits
    cuts = (0, 3, 6, 8, len(digits))
    parts = [digits[start:end] for start, end in pairwise(cuts)]
    return prefix + "".join(draw(SEPARATOR) + part for part in parts)


@given(spellings(), st.sampled_from(["KZ", "RU", "KG"]))
def test_read_phone_when_short_cut_equals_authority(text: str, region: str) -> None:
    assert read_phone(text, region) == read_phone_slowly(text, region)


@pytest.mark.parametrize("prefix", ["+7", "007", "8", "7", ""])
@pytest.mark.parametrize("region", ["KZ", "RU"])
def test_read_phone_when_every_area_code_equals_authority(prefix: str, region: str) -> None:
    for area in range(1000):
        for text in (f"{prefix}{area:03}2345678", f"{prefix} ({area:03}) 234-56-78"):
            assert read_phone(text, region) == read_phone_slowly(text, region), text


@given(st.text(max_size=40))
def test_read_phone_when_text_is_anything(text: str) -> None:
    phone = read_phone(text)
    assert phone.as_given == text
    assert bool(phone.e164) == (phone.kind is PhoneKind.VALID)
    if phone.e164:
        assert phone.e164[0] == "+"
        assert phone.e164[1:].isascii()
        assert phone.e164[1:].isdecimal()
        assert read_phone(phone.e164).e164 == phone.e164
