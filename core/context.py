"""The context of an incident: what happened before at its address, from its callers' numbers, near it, on its road (CITY-11).

Place in the flow: beside it. Storage reads candidates from the past, `context_of` says which of them belong and why, dispatch
clients ask for it as a part of an incident's detail (CITY-10). No call waits for any of this. Rules:

- Only earlier incidents: an incident's context is what was known before it, and the counts reach back from its opening.
- The same address is the same street and house as read, no farther than `ADDRESS_SPREAD_M` where both places are known: every
  village has its Abay street. The same stretch of road is a road accident on the same street within `Scope.road_m`.
- A closed incident was a false call when its result begins with a word of `FALSE_CALL_WORDS`, in any letters: dispatchers write
  results in words, and the first of them say what it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import ceil, cos, floor, radians
from typing import Final

import msgspec

from core import limits
from core.great_circle import METRES_PER_DEGREE, distance_m
from core.instant import SECOND_US, Micros
from core.vocabulary import CategoryCode, IncidentId, Word

DAY_US: Final = 86_400 * SECOND_US
ADDRESS_SPREAD_M: Final = 1_000.0
"""Two places of one address lie no farther apart than this: one of them may be the middle of its street."""
FALSE_CALL_WORDS: Final = (
    "false call",
    "false report",
    "hoax",
    "prank",
    "ложный вызов",
    "ложное сообщение",
    "жалған шақыру",
    "жалған хабарлама",
)
"""A result that begins with one of these ends a false call; `false_call` and `FALSE-CALL: nobody there` are read the same."""
_CELLS_A_DEGREE: Final = 400
"""Cells are 278 m high and as wide: what is near lies in nine of them, and few other incidents do."""
_ROW: Final = 1 << 20


class Relation(Word):
    """Why an earlier incident stands in a context."""

    SAME_ADDRESS = "same_address"
    SAME_NUMBER = "same_number"
    """One of the incident's callers told of the earlier one too."""
    NEARBY = "nearby"
    SAME_ROAD = "same_road"
    """A road accident on the same stretch of road."""


class Outcome(Word):
    """How an incident ended, as far as its result says."""

    OPEN = "open"
    HANDLED = "handled"
    FALSE_CALL = "false_call"


class Scope(msgspec.Struct, frozen=True):
    """How far around an incident its context looks, in space and time."""

    near_m: float = 250.0
    near_days: int = 30
    road_m: float = 500.0
    """Along the street, as the crow flies: a stretch between a few corners."""
    road_days: int = 365
    road_categories: tuple[str, ...] = ("accident",)
    """Categories that are road accidents."""


class PastIncident(msgspec.Struct, frozen=True, gc=False):
    """An incident as its successors find it."""

    incident_id: IncidentId
    opened_us: Micros
    category: CategoryCode
    territory: str
    outcome: Outcome
    result: str
    """At most `limits.CONTEXT_RESULT_CHARS`."""
    latitude_deg: float | None
    longitude_deg: float | None
    address: int | None
    """Equal for two spellings of one house; None where no house is known."""
    streets: tuple[int, ...]
    """Equal for two spellings of one street; two at a corner."""
    phones: tuple[int, ...]
    """Digits of its callers' numbers in E.164, the first caller's first."""


class Earlier(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """An earlier incident as a context lists it."""

    incident_id: IncidentId
    opened_us: Micros
    category: CategoryCode
    outcome: Outcome
    why: tuple[Relation, ...]
    """All that holds of it, whichever list it stands in."""
    result: str = ""
    distance_m: float | None = None
    """From place to place; absent where one of them is not known."""


class Group(msgspec.Struct, frozen=True):
    """The earlier incidents of one relation."""

    listed: tuple[Earlier, ...]
    """Newest first, at most `limits.CONTEXT_LISTED`."""
    day: int
    """How many opened in the day before the incident; so for the next two with 30 and 365 days."""
    month: int
    year: int
    total: int
    more: bool
    """Whether there are still more than were counted."""


class NumberHistory(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a caller's number has told before."""

    phone: str
    """In E.164."""
    incidents: int
    false_calls: int
    more: bool
    """Whether there are still more than were counted."""
    first_us: Micros | None = None
    """The first and the last of its false calls."""
    last_us: Micros | None = None


class Context(msgspec.Struct, frozen=True):
    """What is known of the time before an incident."""

    incident_id: IncidentId
    territory: str
    """The incident's own."""
    computed_us: Micros
    through_us: Micros
    """Of what happened later than this some may be missing."""
    same_address: Group
    same_number: Group
    nearby: Group
    same_road: Group
    numbers: tuple[NumberHistory, ...]
    """Of the first `limits.CONTEXT_NUMBERS` callers."""


class Past(msgspec.Struct, frozen=True, gc=False):
    """What storage found that may belong to an incident's context."""

    subject: PastIncident
    found: tuple[PastIncident, ...]
    """Each incident once, in any order; some are no relations, such as those in the corners of a square around a circle."""
    reached: frozenset[Relation]
    """Relations of which there may be more than were read."""
    computed_us: Micros
    through_us: Micros


def outcome_of(result: str, *, closed: bool) -> Outcome:
    """How an incident ended, by what whoever closed it wrote."""
    if not closed:
        return Outcome.OPEN
    words = " ".join(result.casefold().replace("_", " ").replace("-", " ").split())
    return Outcome.FALSE_CALL if words.startswith(FALSE_CALL_WORDS) else Outcome.HANDLED


def cell_of(latitude_deg: float, longitude_deg: float) -> int:
    """The cell of the grid that a place lies in, as one number. Rows have their own number of cells, so these are square."""
    row = floor(latitude_deg * _CELLS_A_DEGREE)
    return row * _ROW + floor(longitude_deg * _columns_a_degree(row))


def cells_around(latitude_deg: float, longitude_deg: float, radius_m: float) -> list[int]:
    """All cells that may hold a place within the radius. The grid has a seam at 180 degrees, where no city lies."""
    south_deg, west_deg, north_deg, east_deg = box_of(latitude_deg, longitude_deg, radius_m)
    cells: list[int] = []
    for row in range(floor(south_deg * _CELLS_A_DEGREE), floor(north_deg * _CELLS_A_DEGREE) + 1):
        width = _columns_a_degree(row)
        cells += [row * _ROW + column for column in range(floor(west_deg * width), floor(east_deg * width) + 1)]
    return cells


def box_of(latitude_deg: float, longitude_deg: float, radius_m: float) -> tuple[float, float, float, float]:
    """South, west, north, east of a box that holds the circle around a place, in degrees."""
    high_deg = radius_m / METRES_PER_DEGREE
    farthest_deg = min(89.0, abs(latitude_deg) + high_deg)
    wide_deg = high_deg / cos(radians(farthest_deg))
    return latitude_deg - high_deg, longitude_deg - wide_deg, latitude_deg + high_deg, longitude_deg + wide_deg


def _columns_a_degree(row: int) -> float:
    return ceil(_CELLS_A_DEGREE * max(0.01, cos(radians(row / _CELLS_A_DEGREE))))


def context_of(past: Past, scope: Scope, found: Iterable[PastIncident] | None = None) -> Context:
    """The context of `past.subject`. O(n log n) in what was found.

    Args:
        past: what storage found.
        scope: how far the context looks.
        found: those of `past.found` that the reader may see; all of them if None.
    """
    subject = past.subject
    members: dict[Relation, list[Earlier]] = {relation: [] for relation in Relation}
    earlier = [one for one in (past.found if found is None else found) if one.incident_id < subject.incident_id]
    earlier.sort(key=_newest_first)
    for one in earlier:
        apart_m = _apart_m(subject, one)
        why = tuple(_relations(subject, one, apart_m, scope))
        if not why:
            continue
        shown_m = None if apart_m is None else round(apart_m, 1)
        entry = Earlier(one.incident_id, one.opened_us, one.category, one.outcome, why, one.result, shown_m)
        for relation in why:
            members[relation].append(entry)
    groups = {
        relation: _group(entries, subject.opened_us, more=relation in past.reached) for relation, entries in members.items()
    }
    more = Relation.SAME_NUMBER in past.reached
    return Context(
        incident_id=subject.incident_id,
        territory=subject.territory,
        computed_us=past.computed_us,
        through_us=past.through_us,
        same_address=groups[Relation.SAME_ADDRESS],
        same_number=groups[Relation.SAME_NUMBER],
        nearby=groups[Relation.NEARBY],
        same_road=groups[Relation.SAME_ROAD],
        numbers=tuple(_history(phone, earlier, more=more) for phone in subject.phones[: limits.CONTEXT_NUMBERS]),
    )


def _newest_first(one: PastIncident) -> tuple[int, int]:
    return -one.opened_us, -one.incident_id


def _apart_m(subject: PastIncident, one: PastIncident) -> float | None:
    if subject.latitude_deg is None or subject.longitude_deg is None or one.latitude_deg is None or one.longitude_deg is None:
        return None
    return distance_m(subject.latitude_deg, subject.longitude_deg, one.latitude_deg, one.longitude_deg)


def _relations(subject: PastIncident, one: PastIncident, apart_m: float | None, scope: Scope) -> Iterator[Relation]:
    if subject.address is not None and one.address == subject.address and (apart_m is None or apart_m <= ADDRESS_SPREAD_M):
        yield Relation.SAME_ADDRESS
    if not set(subject.phones[: limits.CONTEXT_NUMBERS]).isdisjoint(one.phones):
        yield Relation.SAME_NUMBER
    if apart_m is None:
        return
    age_us = subject.opened_us - one.opened_us
    if apart_m <= scope.near_m and age_us <= scope.near_days * DAY_US:
        yield Relation.NEARBY
    if (
        one.category in scope.road_categories
        and apart_m <= scope.road_m
        and age_us <= scope.road_days * DAY_US
        and not set(subject.streets).isdisjoint(one.streets)
    ):
        yield Relation.SAME_ROAD


def _group(entries: Sequence[Earlier], until_us: int, *, more: bool) -> Group:
    """Entries, newest first, as a list and counts."""
    day, month, year = (sum(until_us - one.opened_us <= days * DAY_US for one in entries) for days in (1, 30, 365))
    return Group(tuple(entries[: limits.CONTEXT_LISTED]), day, month, year, len(entries), more)


def _history(phone: int, earlier: Sequence[PastIncident], *, more: bool) -> NumberHistory:
    """What a number told before, of incidents that stand newest first."""
    told = [one for one in earlier if phone in one.phones]
    false_calls = [one.opened_us for one in told if one.outcome is Outcome.FALSE_CALL]
    first_us, last_us = (false_calls[-1], false_calls[0]) if false_calls else (None, None)
    return NumberHistory(f"+{phone}", len(told), len(false_calls), more, first_us, last_us)
