"""One key for all spellings of one address: by it incidents at the same house or on the same street are found again (CITY-11).

Place in the flow: beside it, in the background. Unlike the gazetteer this looks nothing up: it reads texts that are addresses
already (the gazetteer's own names, the subscriber base's and the registers' lines), and needs no map. Rules:

- A text is read part by part between its commas. The part with the house number says the street, or the one before it does
  when the number stands alone (`Абая, 10`); other parts are settlements and say nothing.
- Flat, entrance and floor are left out: a neighbour's incident is at the same address.
- Two names with a stroke between them are a corner: both streets, and an address of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

import msgspec

from routing.address import Word, name_reading, numbers, read_words, without_flat
from routing.address_words import WordClass

_TEXT_MAX: Final = 400
"""Characters that are read; an address is far shorter."""
_CUTS: Final = frozenset({WordClass.COMMA, WordClass.OPEN, WordClass.CLOSE})
_NAMES: Final = frozenset({WordClass.NAME, WordClass.KIND})


class AddressKey(msgspec.Struct, frozen=True, gc=False):
    """An address as numbers of 64 bits, signed as PostgreSQL's `bigint` is."""

    house: int | None = None
    """The house, or the corner; None where the text names neither."""
    streets: tuple[int, ...] = ()
    """The street; two at a corner, none where the text names none."""


NOWHERE: Final = AddressKey()


def address_key(text: str) -> AddressKey:
    """The key of an address in words; `NOWHERE` for a text that names no street. Never raises."""
    words = without_flat(read_words(text[:_TEXT_MAX]))
    parts = _parts(words)
    corner = next((part for part in parts if any(word.cls is WordClass.SLASH for word in part) and not _house(part)), None)
    if corner is not None:
        at = next(at for at, word in enumerate(corner) if word.cls is WordClass.SLASH)
        ends = sorted({key for half in (corner[:at], corner[at + 1 :]) if (key := name_reading(half).key)})
        if len(ends) == 2:
            return AddressKey(_hash("/".join(ends)), tuple(map(_hash, ends)))
    for at, part in reversed(list(enumerate(parts))):
        house = _house(part)
        if not house:
            continue
        start, end, number = house
        rest = [word for word in part[:start] + part[end:] if word.cls is not WordClass.HOUSE]
        street = name_reading(rest).key if any(word.cls in _NAMES or word.cls is WordClass.TYPE for word in rest) else ""
        if not street and at and not any(word.cls in _NAMES for word in rest):
            street = name_reading(parts[at - 1]).key
        if street:
            return AddressKey(_hash(f"{street}|{number}"), (_hash(street),))
    street = next((name_reading(part).key for part in parts if any(word.cls is WordClass.TYPE for word in part)), "")
    if not street and len(parts) == 1:
        street = name_reading(parts[0]).key
    return AddressKey(None, (_hash(street),)) if street else NOWHERE


def _parts(words: Sequence[Word]) -> list[list[Word]]:
    """The words between commas and brackets, empty parts left out; a block stays with its house (`д. 50, корп. 2`)."""
    parts: list[list[Word]] = [[]]
    for at, word in enumerate(words):
        if word.cls in _CUTS:
            if at + 1 == len(words) or words[at + 1].cls is not WordClass.BLOCK:
                parts.append([])
        else:
            parts[-1].append(word)
    return [part for part in parts if part]


def _house(part: list[Word]) -> tuple[int, int, str] | None:
    """Where the house number of a part stands and what it is; None for a part that has none.

    A number marked as a house's is one. Otherwise the last number of the part, unless the name needs it: where it leads
    (`8 Марта`), follows a dash (`Самал-2`) or stands beside nothing but a street type (`5 мкр`).
    """
    runs = numbers(part)
    if not runs:
        return None
    for at, word in enumerate(part):
        if word.cls is WordClass.HOUSE:
            marked = next((run for run in runs if run.start == at + 1), None)
            if marked is not None:
                return marked.start, marked.end, marked.key
    last = runs[-1]
    before = part[: last.start]
    if not before:
        return (last.start, last.end, last.key) if last.end == len(part) else None
    if before[-1].cls is WordClass.DASH:
        return None
    named = any(word.cls in _NAMES or word.cls is WordClass.NUMBER for word in before)
    return (last.start, last.end, last.key) if named else None


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)
