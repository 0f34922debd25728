"""What the benchmarks play is what they say it is."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from random import Random

from core.incident import decode_incident
from loadtest.bench import scene
from loadtest.bench.growth import MEASURED, weigh
from loadtest.bench.recovery import copy_of, open_incidents
from loadtest.city import City

TOWN = City(scene.SEED, districts=4, streets=24, crews=40, cameras=8, subscribers=500, panels=4)


def test_calls_are_numbered_on_end_and_show_every_kind_of_evidence() -> None:
    calls = scene.calls(TOWN, 300, seed=1, first_seq=11)
    assert [call.seq for call in calls] == list(range(11, 311))
    kinds = Counter("fix" if call.fix else "given" if call.given else "address" if call.address else "number" for call in calls)
    assert set(kinds) == {"fix", "given", "address", "number"}


def test_crews_stand_in_their_own_districts() -> None:
    for crew, place in zip(TOWN.crews, scene.places(TOWN), strict=True):
        crossing = min(
            range(len(TOWN.crossings)),
            key=lambda at: (
                abs(TOWN.crossings[at].latitude_deg - place.latitude_deg)
                + abs(TOWN.crossings[at].longitude_deg - place.longitude_deg)
            ),
        )
        assert TOWN.districts[TOWN.district_of(crossing)].territory == crew.territory


def test_positions_and_reads_are_numbered_on_end() -> None:
    for events in (list(scene.positions(TOWN, 100, 5)), list(scene.plate_reads(TOWN, 100, 5, 1))):
        assert events[0].seq == 5
        assert all(second.seq == first.seq + 1 for first, second in pairwise(events))


def test_copied_incident_is_the_same_under_another_number_somewhere_else() -> None:
    template = next(one for one in open_incidents(TOWN) if one.latitude_deg is not None)
    copied = copy_of(template, 777, Random(1))
    incident = decode_incident(copied.view)
    assert (copied.incident_id, incident.incident_id) == (777, 777)
    assert incident.place is not None
    assert (incident.place.latitude_deg, incident.place.longitude_deg) == (copied.latitude_deg, copied.longitude_deg)
    assert copied.latitude_deg != template.latitude_deg
    assert incident.terms == decode_incident(template.view).terms


def test_growth_opens_and_joins_what_it_says() -> None:
    weight = weigh(1_000)
    assert weight.opened > 0.95 * MEASURED
    assert weight.joined > 0.95 * MEASURED
    assert len(weight.open_us) == len(weight.join_us) > 0
    assert 500 < weight.incident_bytes < 50_000
