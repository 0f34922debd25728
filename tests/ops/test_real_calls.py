"""Real calls through the shipped table of categories and the engine's correlation, in process and in recorded time.

Two files of REAL_DATA: a county's calls with the words of its call takers, in which one accident often stands three times, for
the police, the ambulance and the fire brigade; and a city's CAD records, whose department has told its calls apart, so that
whatever is joined there is joined wrongly.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from heapq import heappop, heappush
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import numpy.typing as npt
import pytest

from core.category import load_categories
from core.commands import Close, Order
from core.engine import Engine
from core.events import Call, Chunk, Fix
from core.great_circle import distance_m
from core.instant import SECOND_US, Micros, to_datetime, to_micros
from core.ports import Match
from core.recovered import EMPTY
from core.state import Batch, CentreRules
from core.vocabulary import IncidentId
from ops.cad import read_cad
from ops.scenarios import load_scenarios
from routing.crew_index import CrewTree

TABLE = load_categories()
COUNTY_ZONE = ZoneInfo("America/New_York")
CORNER_ACCURACY_M = 30.0
WORKED_S = 3600.0
"""An incident of the county is taken for done after this; its file does not say."""

EXPECTED = {
    "VEHICLE ACCIDENT": "accident",
    "DISABLED VEHICLE": "road",
    "ROAD OBSTRUCTION": "road",
    "FIRE ALARM": "fire",
    "BUILDING FIRE": "fire",
    "VEHICLE FIRE": "fire",
    "FALL VICTIM": "medical",
    "RESPIRATORY EMERGENCY": "medical",
    "SUBJECT IN PAIN": "medical",
    "CVA/STROKE": "medical",
    "BURN VICTIM": "medical",
    "CARDIAC ARREST": "cardiac",
    "UNRESPONSIVE SUBJECT": "cardiac",
    "CHOKING": "cardiac",
    "GAS-ODOR/LEAK": "gas",
    "CARBON MONOXIDE DETECTOR": "gas",
    "ASSAULT VICTIM": "assault",
    "RESCUE - WATER": "drowning",
    "ELEVATOR EMERGENCY": "drowning",
}
SERVICES = {"EMS": "ambulance", "Fire": "fire", "Traffic": "patrol"}
"""Whom the county called for it → whom the table sends."""


class Told(msgspec.Struct, frozen=True):
    """One call, and when what it tells of is over."""

    at_us: Micros
    words: str
    place: Fix
    over_us: int
    service: str = ""
    corner: str = ""


class NoMap:
    """A gazetteer and territories of nothing: every call here brings its coordinates."""

    def search(self, words: str, limit: int = 5) -> list[Match]:
        return []

    def nearest(self, latitude_deg: npt.NDArray[np.float64], longitude_deg: npt.NDArray[np.float64]) -> list[str]:
        return [""] * len(latitude_deg)

    def find(self, latitude_deg: npt.NDArray[np.float64], longitude_deg: npt.NDArray[np.float64]) -> list[str]:
        return [""] * len(latitude_deg)


@pytest.fixture(scope="module")
def county(real_data: Path) -> list[Told]:
    """In order of time, which the file gives to the minute."""
    calls: list[Told] = []
    with (real_data / "calls-montgomery.csv").open(encoding="utf-8", newline="") as file:
        for latitude, longitude, kind, at, _, corner in csv.reader(file):
            service, _, words = kind.partition(": ")
            place = Fix(float(latitude), float(longitude), CORNER_ACCURACY_M)
            at_us = to_micros(datetime.strptime(at, "%Y-%m-%d %H:%M").replace(tzinfo=COUNTY_ZONE))
            over_us = at_us + round(WORKED_S * SECOND_US)
            calls.append(Told(at_us, words.rstrip(" -"), place, over_us, service, corner))
    return sorted(calls, key=lambda call: call.at_us)


@pytest.fixture(scope="module")
def city(real_data: Path) -> list[Told]:
    """All but those that only vans were sent to: planned trips, for which nobody calls."""
    calls: list[Told] = []
    for call in read_cad(real_data / "cad-san-francisco-2020.csv.gz").calls:
        if all(record.capability == "support" for record in call.records):
            continue
        over_us = max(record.available_us or record.dispatched_us for record in call.records)
        calls.append(Told(call.received_us, call.kind, call.place, over_us))
    return calls


def correlated(calls: Sequence[Told]) -> dict[IncidentId, list[Told]]:
    """Incident → the calls that the engine has put into it, in order; each incident is closed when its first call is over."""
    engine = Engine(CentreRules(region="US"), TABLE, load_scenarios(None, TABLE), NoMap(), NoMap(), CrewTree(), EMPTY)
    incidents: defaultdict[IncidentId, list[Told]] = defaultdict(list)
    over: list[tuple[int, IncidentId]] = []
    for seq, told in enumerate(calls, start=1):
        while over and over[0][0] <= told.at_us:
            at_us, ended = heappop(over)
            close = Order("dispatcher", Close(command_id=f"close-{ended}", incident=ended, result="done"))
            engine.handle(Batch([], [close], {}), Micros(at_us))
        call = Call(seq=seq, at=to_datetime(told.at_us), call_id=str(seq), words=told.words, language="en", given=told.place)
        decisions = engine.handle(Batch([Chunk("county", told.at_us, [call], [b"{}"], seq, True)], [], {}), told.at_us)
        assert decisions is not None
        incident = decisions.taken[0].incidents[0]
        if incident not in incidents:
            heappush(over, (told.over_us, incident))
        incidents[incident].append(told)
    return dict(incidents)


def apart_m(one: Told, other: Told) -> float:
    here, there = one.place, other.place
    return distance_m(here.latitude_deg, here.longitude_deg, there.latitude_deg, there.longitude_deg)


def repeated(calls: Iterable[list[Told]]) -> list[tuple[Told, Told]]:
    """Each joined call with the one before it in its incident."""
    return [pair for told in calls for pair in pairwise(told)]


@pytest.mark.real
def test_shipped_table_reads_what_call_takers_write(county: list[Told]) -> None:
    words = {call.words for call in county}
    assert words >= set(EXPECTED)
    assert {kind: TABLE.by_words(kind)[0].code for kind in EXPECTED} == EXPECTED
    unread = [call.words for call in county if TABLE.by_words(call.words)[0] is TABLE.default]
    assert len(unread) / len(county) < 0.005, set(unread)


@pytest.mark.real
@pytest.mark.parametrize(("service", "share"), [("EMS", 0.98), ("Fire", 0.6), ("Traffic", 0.95)])
def test_shipped_table_sends_the_service_that_the_county_called(county: list[Told], service: str, share: float) -> None:
    # The county's fire brigade goes to accidents and to hearts as well; there the table leaves it to a dispatcher.
    calls = [call for call in county if call.service == service]
    sent = [call for call in calls if SERVICES[service] in TABLE.by_words(call.words)[0].needs]
    assert len(sent) / len(calls) > share, {call.words for call in calls} - {call.words for call in sent}


@pytest.mark.real
def test_calls_of_three_services_on_one_accident_are_one_incident(county: list[Told]) -> None:
    incidents = correlated(county)
    assert sum(map(len, incidents.values())) == len(county)
    incident_of = {id(call): incident for incident, told in incidents.items() for call in told}
    same = [
        (one, other)
        for place, one in enumerate(county)
        for other in county[place + 1 : place + 50]
        if other.at_us - one.at_us <= 600 * SECOND_US
        and (one.words, one.corner) == (other.words, other.corner)
        and one.service != other.service
        and apart_m(one, other) < CORNER_ACCURACY_M
    ]
    assert len(same) > 50
    joined = [pair for pair in same if incident_of[id(pair[0])] == incident_of[id(pair[1])]]
    assert len(joined) / len(same) > 0.97


@pytest.mark.real
def test_joined_calls_are_near_each_other_in_place_time_and_kind(county: list[Told]) -> None:
    pairs = repeated(correlated(county).values())
    assert 150 < len(pairs) < 400
    for before, call in pairs:
        category = TABLE.by_words(call.words)[0]
        assert apart_m(before, call) <= 2 * (category.radius_m + CORNER_ACCURACY_M), (before, call)
        assert TABLE.by_words(before.words)[0] is category, (before, call)
    # Most of the calls that repeat name the very same corner; but not all, for callers of one accident see it from two sides.
    assert sum(before.corner == call.corner for before, call in pairs) / len(pairs) > 0.6
    assert sum(apart_m(before, call) > CORNER_ACCURACY_M for before, call in pairs) > 20


@pytest.mark.real
def test_few_calls_are_joined_that_the_department_has_told_apart(city: list[Told]) -> None:
    incidents = correlated(city)
    wrongly = sum(len(told) - 1 for told in incidents.values())
    assert wrongly / len(city) < 0.012, f"{wrongly} of {len(city)}"
