"""The best place among all evidence, and what evidence events give."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.events import Alarm, Call, CallUpdate, Fix, SensorReading, VideoEvent
from core.facts import Evidence
from core.identify import Caller, NumberKind
from core.locate import TRUST, PlaceReason, best_place, gather
from core.ports import Match
from core.recovered import Device
from core.vocabulary import LocationSource
from tests.simulation.places import AddressTable

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
L = LocationSource
FIX = Fix(43.1, 76.1, 20.0)


def piece(source: LocationSource, accuracy_m: float, text: str = "") -> Evidence:
    return Evidence(source, 43.0, 76.0, accuracy_m, text)


PIECES = st.builds(
    piece, st.sampled_from(LocationSource), st.sampled_from((5.0, 300.0, 301.0, 5_000.0)), st.sampled_from("abcd")
)


@pytest.mark.parametrize(
    ("evidence", "best", "reason"),
    [
        ([], None, PlaceReason.NONE),
        ([piece(L.CELL, 4_000)], 0, PlaceReason.MOST_ACCURATE),
        ([piece(L.CELL, 200), piece(L.DEVICE_FIX, 5_000)], 0, PlaceReason.MOST_TRUSTED),
        ([piece(L.SUBSCRIBER, 50), piece(L.GIVEN, 50), piece(L.ADDRESS, 5)], 1, PlaceReason.MOST_TRUSTED),
        ([piece(L.ADDRESS, 15, "old"), piece(L.ADDRESS, 15, "new")], 1, PlaceReason.MOST_TRUSTED),
        ([piece(L.DEVICE_FIX, 900), piece(L.CELL, 700)], 1, PlaceReason.MOST_ACCURATE),
        ([piece(L.DEVICE_FIX, 300), piece(L.GIVEN, 1)], 0, PlaceReason.MOST_TRUSTED),
    ],
)
def test_best_place_when_evidence_differs(evidence: list[Evidence], best: int | None, reason: PlaceReason) -> None:
    assert best_place(evidence) == (None if best is None else evidence[best], reason)


@given(st.lists(PIECES, min_size=1, max_size=6), st.lists(PIECES, min_size=1, max_size=6))
def test_best_place_when_found_step_by_step_is_the_same(known: list[Evidence], new: list[Evidence]) -> None:
    so_far = best_place(known)[0]
    assert so_far is not None
    assert best_place([so_far, *new]) == best_place([*known, *new])


def test_trust_when_ranked_follows_the_enumeration() -> None:
    assert sorted(TRUST, key=TRUST.__getitem__) == list(LocationSource)


def caller(*, placed: bool = False, address: str = "") -> Caller:
    place = (43.5, 76.5) if placed else (None, None)
    return Caller(
        number_kind=NumberKind.KNOWN, e164="+77010000001", address=address, latitude_deg=place[0], longitude_deg=place[1]
    )


DEVICE = Device("d", 43.6, 76.6, "Abay 7")


@pytest.mark.parametrize(
    ("event", "who", "device", "sources"),
    [
        (Call(seq=1, at=AT), None, None, []),
        (Call(seq=1, at=AT, fix=FIX, given=FIX, cell=FIX), None, None, [L.DEVICE_FIX, L.GIVEN, L.CELL]),
        (Call(seq=1, at=AT, address="Abay 3", words="Abay 5"), None, None, [L.ADDRESS]),
        (Call(seq=1, at=AT, address="nowhere"), None, None, []),
        (Call(seq=1, at=AT, words="Abay 5"), None, None, [L.ADDRESS]),
        (Call(seq=1, at=AT, words="Abay 5", cell=FIX), None, None, [L.CELL]),
        (Call(seq=1, at=AT, cell=FIX), caller(placed=True, address="Abay 1"), None, [L.CELL, L.SUBSCRIBER]),
        (Call(seq=1, at=AT), caller(address="Abay 1"), None, [L.SUBSCRIBER]),
        (CallUpdate(seq=1, at=AT, call_id="1", fix=FIX), None, None, [L.DEVICE_FIX]),
        (
            Alarm(seq=1, at=AT, device="d", alarm="fire", fix=FIX, address="Abay 3"),
            None,
            DEVICE,
            [L.DEVICE_PLACE] * 2 + [L.ADDRESS],
        ),
        (VideoEvent(seq=1, at=AT, camera="d", analytic="smoke"), None, DEVICE, [L.DEVICE_PLACE]),
        (SensorReading(seq=1, at=AT, device="d", quantity="q", value=1.0, fix=FIX), None, None, [L.DEVICE_PLACE]),
    ],
)
def test_gather_when_event_hints_at_places(
    event: Call | CallUpdate | Alarm | VideoEvent | SensorReading,
    who: Caller | None,
    device: Device | None,
    sources: list[LocationSource],
) -> None:
    found = gather(event, "s/1", who, device, AddressTable())
    assert [one.source for one in found] == sources
    assert {one.event for one in found} <= {"s/1"}


class Vague(AddressTable):
    """A gazetteer that finds something in anything, nearly."""

    def search(self, words: str, limit: int = 5) -> list[Match]:
        return [Match("somewhere", 43.0, 76.0, 15.0, 89.9, "street")]


def test_gather_when_words_name_a_place_by_accident_ignores_it() -> None:
    assert gather(Call(seq=1, at=AT, words="help"), "s/1", None, None, Vague()) == []
    assert len(gather(Call(seq=1, at=AT, address="help"), "s/1", None, None, Vague())) == 1
