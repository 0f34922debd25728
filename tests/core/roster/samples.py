"""Shifts for the roster's tests: short to write, and any at all for properties."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from hypothesis import strategies as st

from core.instant import Micros, to_micros
from core.roster.local_time import zone_of
from core.roster.model import Person, Place, Roster, Shift, fold, roster_of
from core.vocabulary import CrewId

ALMATY: Final = zone_of("Asia/Almaty")
HOUR_US: Final = 3_600_000_000
DAY: Final = to_micros(datetime(2026, 11, 26, 19, tzinfo=UTC))
"""Midnight of 27 November 2026 in Almaty."""


def at(hours: float) -> Micros:
    """So many hours after midnight."""
    return Micros(DAY + int(hours * HOUR_US))


def shift(
    crew: str = "A-1",
    begin: float = 8,
    end: float = 20,
    *people: str,
    post: str = "",
    route: str = "",
    territory: str = "kz/almaty",
    vehicles: tuple[str, ...] = (),
    capabilities: tuple[str, ...] = ("patrol",),
) -> Shift:
    """A shift of 27 November, in hours after midnight; a person as `NAME` or `NAME/BADGE`."""
    return Shift(
        crew=CrewId(crew),
        from_us=at(begin),
        until_us=at(end),
        territory=territory,
        post=post,
        route=route,
        capabilities=capabilities,
        vehicles=vehicles,
        people=tuple(Person(*one.split("/")) for one in people),
    )


_LETTERS: Final = "abcXYZабвЯёәғқңөұүһі019 -.+='\"№&<>_"
_TEXT: Final = st.text(_LETTERS, min_size=1, max_size=12).map(lambda text: " ".join(text.split())).filter(bool)
_TERRITORY: Final = st.sampled_from(["kz", "kz/almaty", "kz/almaty/medeu", "kz/алматы/медеу-1"])
_PEOPLE: Final = st.lists(
    st.builds(Person, _TEXT, st.one_of(st.just(""), _TEXT), *[st.one_of(st.just(""), _TEXT)] * 3),
    max_size=3,
    unique_by=lambda person: person.key,
)
_ITEMS: Final = st.lists(_TEXT, max_size=3, unique=True).map(tuple)


_CAPABILITIES: Final = st.lists(st.sampled_from(["patrol", "fire", "ambulance"]), max_size=2, unique=True).map(tuple)
_PLACES: Final = st.lists(
    st.builds(Place, st.sampled_from(["post", "route"]), _TEXT, _TERRITORY),
    max_size=4,
    unique_by=lambda place: (place.kind, fold(place.name)),
)


@st.composite
def rosters(draw: st.DrawFn) -> Roster:
    """Any roster that an import takes: each person and vehicle is its crew's own, so that nothing overlaps."""
    places = draw(_PLACES)
    shifts: list[Shift] = []
    for number, crew in enumerate(draw(st.lists(_TEXT, min_size=1, max_size=4, unique_by=fold))):
        end_us = DAY
        for _ in range(draw(st.integers(0, 3))):
            begin_us = Micros(end_us + draw(st.integers(0, 30)) * HOUR_US // 7)
            end_us = Micros(begin_us + draw(st.integers(1, 100)) * HOUR_US)
            place = draw(st.sampled_from([Place("", ""), *places]))
            own = [Person(f"{one.name} p{number}", "", one.rank, one.role, one.phone) for one in draw(_PEOPLE)]
            shifts.append(
                Shift(
                    crew=CrewId(crew),
                    from_us=begin_us,
                    until_us=end_us,
                    territory=draw(_TERRITORY),
                    post=place.name if place.kind == "post" else "",
                    route=place.name if place.kind == "route" else "",
                    capabilities=draw(_CAPABILITIES),
                    vehicles=tuple({fold(one): f"{one} v{number}" for one in draw(_ITEMS)}.values()),
                    means=draw(_ITEMS),
                    people=tuple({person.key: person for person in own}.values()),
                )
            )
    return roster_of(shifts, places)
