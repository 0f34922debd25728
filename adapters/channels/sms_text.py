"""A text as SMS: its alphabet, its parts, and how much of it goes out.

Place in the flow: the SMS channel. Rules: the GSM alphabet where it has every character, 160 of them (an extended one counts as
two), else UCS-2, 70; of a longer text each part gives six bytes to its header, 153 and 67. A character is never divided between
two parts. What is longer than `limits.SMS_PARTS_MAX` parts is cut and ends in an ellipsis.
Source: 3GPP TS 23.038 (alphabets), 3GPP TS 23.040, 9.2.3.24.1 (concatenation).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from core import limits

_BASIC: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED: Final = {"^": 0x14, "{": 0x28, "}": 0x29, "\\": 0x2F, "[": 0x3C, "~": 0x3D, "]": 0x3E, "|": 0x40, "€": 0x65}
_GSM: Final[dict[str, bytes]] = {letter: bytes([code]) for code, letter in enumerate(_BASIC) if letter != "\x1b"} | {
    letter: bytes([0x1B, code]) for letter, code in _EXTENDED.items()
}
_GSM_WHOLE, _GSM_PART = 160, 153
"""Octets of a text that fits one message, and of each part of one that does not; a GSM character is sent as one octet."""
_UCS2_WHOLE, _UCS2_PART = 140, 134
_ELLIPSIS: Final = {True: "...", False: "…"}


class SmsText(msgspec.Struct, frozen=True):
    """A text ready to be sent: octets of each part, without headers. One part needs none."""

    ucs2: bool
    parts: tuple[bytes, ...]


def encode(text: str) -> SmsText:
    """A text as parts. O(length)."""
    gsm = all(letter in _GSM for letter in text)
    letters: Callable[[str], bytes] = _GSM.__getitem__ if gsm else _ucs2
    whole, part = (_GSM_WHOLE, _GSM_PART) if gsm else (_UCS2_WHOLE, _UCS2_PART)
    octets = [letters(letter) for letter in text]
    if sum(map(len, octets)) <= whole:
        return SmsText(not gsm, (b"".join(octets),))
    parts = list(_fill(octets, part))
    if len(parts) > limits.SMS_PARTS_MAX:
        ending = [letters(letter) for letter in _ELLIPSIS[gsm]]
        last = list(_fill_one(octets, part, sum(map(len, parts[: limits.SMS_PARTS_MAX - 1])), sum(map(len, ending))))
        parts = [*parts[: limits.SMS_PARTS_MAX - 1], b"".join(last + ending)]
    return SmsText(not gsm, tuple(parts))


def _ucs2(letter: str) -> bytes:
    return letter.encode("utf-16-be", "replace")


def _fill(octets: list[bytes], room: int) -> Iterator[bytes]:
    filled: list[bytes] = []
    length = 0
    for letter in octets:
        if length + len(letter) > room:
            yield b"".join(filled)
            filled, length = [], 0
        filled.append(letter)
        length += len(letter)
    yield b"".join(filled)


def _fill_one(octets: list[bytes], room: int, skip: int, spare: int) -> Iterator[bytes]:
    """The letters behind the first `skip` octets that fit one part with `spare` octets left."""
    passed = length = 0
    for letter in octets:
        if passed < skip:
            passed += len(letter)
        elif length + len(letter) <= room - spare:
            length += len(letter)
            yield letter
        else:
            return
