"""Telephone numbers: any national or E.164 spelling becomes E.164, or the reason why it cannot.

Place in the flow: event → **identify**. Requirement OCC-1. Rules:

- A number is readable when it has a possible length for its numbering plan. Whether its prefix is allotted is not asked:
  a range opened yesterday calls for help today, and `phonenumbers` learns of it months later.
- `phonenumbers` is the authority, and too slow for the hot path (20–150 µs). The spellings in `_PLAIN` and `_SPACED` are
  read here; that they give what the authority gives is a property test, not a belief. Everything else goes to the authority.
  The last readings are remembered.
- Nothing here raises: whatever a telephone platform sends is a reading.
"""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache
from typing import Final

import msgspec
import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat

PHONE_MAX_CHARS: Final = 250
"""A longer text is malformed unread; the authority's own bound, and the memory of one remembered reading."""
READINGS_REMEMBERED: Final = 8_192
"""Readings kept, about 4 MB; the least recently used goes."""
SHORT_MAX_DIGITS: Final = 4
"""Service numbers such as 101, 112, 1414."""
LOCAL_MAX_DIGITS: Final = 7
"""Five to seven digits: a subscriber's number dialled inside his city, without its area code."""


class PhoneKind(Enum):
    """What a text is, read as a telephone number."""

    VALID = "valid"
    WITHHELD = "withheld"
    """The caller or his network hides the number, or the platform has none."""
    SHORT = "short"
    """A service number: nobody's subscription."""
    LOCAL = "local"
    """A number without its area code: it stands for somebody, but for which city's is not said."""
    MALFORMED = "malformed"


class Phone(msgspec.Struct, frozen=True, gc=False):
    """One reading. `e164` is `+` and digits when `kind` is `VALID`, `""` otherwise."""

    e164: str
    kind: PhoneKind
    as_given: str


# Country code 7 is Kazakhstan's and Russia's. After `8`, the trunk prefix, a 1 begins the international prefix 8~10, and a 0, 1
# or 2 begins no number; after a bare `7` only the plan's own first digits tell a country code from a national number.
_PLAIN: Final = re.compile(r"(?:\+|00)7[0-9]{10}|(?:8[3-9]|7[78])[0-9]{9}|7[0-9]{9}").fullmatch
_SPACED: Final = re.compile(
    r"(?:(\+7)|8(?=[ (-]{0,2}[3-9])|7(?=[ (-]{0,2}[78]))"
    r"[ -]?\(?([0-9]{3})\)?[ -]?([0-9]{3})[ -]?([0-9]{2})[ -]?([0-9]{2})"
).fullmatch
_FAST_REGIONS: Final = frozenset({"KZ", "RU"})
_SIP: Final = re.compile(r"<?sips?:([^@;>]*)", re.IGNORECASE).match

_WITHHELD: Final = frozenset(
    {
        "",
        # The spelled-out word as a switch dials it: A-N-O-N-Y-M-O-U-S.
        "266696687",
        *("anonymous", "unknown", "unknownnumber", "withheld", "numberwithheld", "restricted", "private", "privatenumber"),
        *("hidden", "blocked", "unavailable", "notavailable", "nonumber", "nocallerid", "none", "null", "na"),
        *("скрыт", "скрыто", "скрытый", "скрытыйномер", "номерскрыт", "аноним", "анонимно", "анонимный", "засекречен"),
        *("неизвестен", "неизвестно", "неизвестный", "неизвестныйномер", "неопределен", "неопределён", "номернеопределен"),
        *("номернеопределён", "нетномера", "безномера", "нет"),
        *("жасырын", "жасырыннөмір", "нөміржасырын", "белгісіз", "белгісізнөмір", "анықталмады", "жоқ", "нөміржоқ"),
    }
)
"""Words for "no number", letters and digits only, in small letters."""


def read_phone(text: str, region: str = "KZ") -> Phone:
    """Reads a telephone number in any spelling.

    Args:
        text: the number as the source gives it.
        region: ISO 3166 country whose national spelling is meant where no country code is given.

    Returns:
        The reading. Under 0.3 µs for what was read lately, as a call's number is several times, and under 2 µs for the plain
        spellings of country code 7.
    """
    return _remembered(text, region) if len(text) <= PHONE_MAX_CHARS else Phone("", PhoneKind.MALFORMED, text)


def _read(text: str, region: str) -> Phone:
    if region in _FAST_REGIONS:
        if _PLAIN(text):
            return Phone("+7" + text[-10:], PhoneKind.VALID, text)
        if spaced := _SPACED(text):
            _, area, first, second, third = spaced.groups()
            return Phone(f"+7{area}{first}{second}{third}", PhoneKind.VALID, text)
    return read_phone_slowly(text, region)


def read_phone_slowly(text: str, region: str = "KZ") -> Phone:
    """The same reading by the authority alone: what `read_phone`'s short cuts are held against."""
    spelling = text.strip()
    if uri := _SIP(spelling):
        spelling = uri[1]
    word = "".join(filter(str.isalnum, spelling)).casefold()
    if word in _WITHHELD or (len(word) > 1 and not word.strip("0")):
        return Phone("", PhoneKind.WITHHELD, text)
    # What a trunk gives for the plus, whatever the country's own international prefix is (ITU-T recommends it for all).
    if spelling.startswith("00") and (e164 := _possible("+" + spelling[2:], region)):
        return Phone(e164, PhoneKind.VALID, text)
    if e164 := _possible(spelling, region):
        return Phone(e164, PhoneKind.VALID, text)
    if not word.isdecimal():
        return Phone("", PhoneKind.MALFORMED, text)
    if "+" not in spelling:
        # Trunks give an international number without its plus. Only an allotted one is believed: any long number would do.
        if (e164 := _possible("+" + word, region)) and phonenumbers.is_valid_number(phonenumbers.parse(e164, None)):
            return Phone(e164, PhoneKind.VALID, text)
        if 1 < len(word) <= SHORT_MAX_DIGITS:
            return Phone("", PhoneKind.SHORT, text)
        if SHORT_MAX_DIGITS < len(word) <= LOCAL_MAX_DIGITS:
            return Phone("", PhoneKind.LOCAL, text)
    return Phone("", PhoneKind.MALFORMED, text)


def _possible(spelling: str, region: str) -> str:
    """E.164 of a spelling that has a possible length with its area code, `""` of any other."""
    try:
        number = phonenumbers.parse(spelling, region)
    except NumberParseException:
        return ""
    if phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE:
        return ""
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


_remembered: Final = lru_cache(maxsize=READINGS_REMEMBERED)(_read)
