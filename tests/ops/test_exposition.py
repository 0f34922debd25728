"""What `/metrics` shows: every family, whole histograms, and no more of it however many sources and crews there are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from core.decisions import CrewChange, Decisions, Taken
from core.events import Chunk, PlateRead
from core.instant import SECOND_US, Micros, to_datetime
from core.vocabulary import CrewId, CrewState, Stage
from ops import metrics as m
from ops.exposition import registry_of, render
from ops.instruments import Instruments
from ops.metrics import CATALOGUE, OTHER, SOURCES_NAMED
from ops.room import Disk, Folder
from storage.condition import Space, Wal

NOW_US = Micros(1_770_000_000 * SECOND_US)
STATES = list(CrewState)


def page_of(instruments: Instruments) -> str:
    body, content_type = render(registry_of(instruments), "text/plain")
    assert content_type.startswith("text/plain")
    return body.decode()


def samples_of(page: str, name: str) -> list[Sample]:
    return [sample for family in text_string_to_metric_families(page) for sample in family.samples if sample.name == name]


def storm(sources: int, crews: int) -> Decisions:
    """A batch of one plate read from each of many sources, and a change of each of many crews."""
    at = to_datetime(NOW_US)
    return Decisions(
        batch_no=1,
        now_us=NOW_US,
        taken=[
            Taken(
                Chunk(
                    source=f"source-{number}",
                    received_us=NOW_US,
                    items=[PlateRead(seq=1, at=at, camera="c", plate="1")],
                    raws=[b"{}"],
                    last_seq=1,
                    urgent=False,
                ),
                0,
                {},
                {},
            )
            for number in range(sources)
        ],
        high_water={f"source-{number}": 1 for number in range(sources)},
        log=[],
        incidents=[],
        assignments=[],
        crews=[
            CrewChange(CrewId(f"crew-{number}"), STATES[number % len(STATES)], "kz", None, NOW_US, b"{}")
            for number in range(crews)
        ],
        positions=[],
        commands=[],
        notices=[],
        live_positions=[],
    )


def test_every_family_is_there_from_the_first_scrape_on() -> None:
    page = page_of(Instruments())
    for family in CATALOGUE:
        assert f"# TYPE {family.name} {family.kind.value}\n" in page
        assert f"# HELP {family.name} {family.help}\n" in page
    for name in ("process_resident_memory_bytes", "process_cpu_seconds_total", "python_info", "python_gc_collections_total"):
        assert f"\n{name}" in page


def test_what_may_go_wrong_is_zero_before_it_does() -> None:
    page = page_of(Instruments())
    for line in (
        'jedel_lives_ended_total{reason="engine_fault"} 0.0',
        'jedel_stage_errors_total{reason="unreachable",stage="persist"} 0.0',
        'jedel_stage_errors_total{reason="malformed",stage="decode"} 0.0',
        'jedel_events_total{kind="call"} 0.0',
        "jedel_dispatch_conflated_total 0.0",
        'jedel_acknowledgement_seconds_count{urgency="call"} 0.0',
    ):
        assert f"\n{line}\n" in page


def test_page_stays_small_with_a_hundred_thousand_sources_and_crews() -> None:
    instruments = Instruments(["panel"])
    instruments.committed(storm(1_000, 1_000), {}, NOW_US, (0.0, 0.0))
    before = page_of(instruments)
    instruments.committed(storm(100_000, 100_000), {}, NOW_US, (0.0, 0.0))
    page = page_of(instruments)
    assert page.count("\n") == before.count("\n") < 2_000
    assert len(page) < 200_000
    assert "crew-" not in page
    events = {sample.labels["source"]: sample.value for sample in samples_of(page, "jedel_source_events_total")}
    assert len(events) == SOURCES_NAMED + 1
    assert (events["panel"], events["source-0"], events[OTHER]) == (0, 2, 101_000 - 2 * (SOURCES_NAMED - 1))
    crews = {sample.labels["state"]: sample.value for sample in samples_of(page, "jedel_crews")}
    assert crews == {state.value: 100_000 / len(STATES) for state in CrewState}


def test_histogram_is_cumulated_up_to_its_count() -> None:
    instruments = Instruments()
    for seconds in (0.00005, 0.003, 0.003, 1_000.0):
        instruments.measure.durations[Stage.PERSIST].observe(seconds)
    page = page_of(instruments)

    def persist(name: str) -> Iterator[Sample]:
        return (sample for sample in samples_of(page, name) if sample.labels["stage"] == "persist")

    buckets = {sample.labels["le"]: sample.value for sample in persist("jedel_stage_duration_seconds_bucket")}
    assert list(buckets.values()) == sorted(buckets.values())
    assert (buckets["0.0001"], buckets["0.0025"], buckets["0.005"], buckets["60.0"], buckets["+Inf"]) == (1, 1, 3, 3, 4)
    assert [sample.value for sample in persist("jedel_stage_duration_seconds_count")] == [4]
    assert [sample.value for sample in persist("jedel_stage_duration_seconds_sum")] == [pytest.approx(1_000.00605)]


def test_what_is_not_known_has_no_series_and_what_is_known_has_one() -> None:
    instruments = Instruments()
    names = [
        family.name for family in (m.DISK_FREE, m.DISK_SIZE, m.DATABASE_SIZE, m.WAL_KEPT, m.WAL_OLDEST, m.CERTIFICATE_EXPIRY)
    ]
    page = page_of(instruments)
    assert [name for name in names if samples_of(page, name)] == []
    instruments.room.disks = {Folder.DATA: Disk(device=1, free_bytes=10, size_bytes=40)}
    instruments.room.space = Space(18, 7, None, Wal(5, NOW_US))
    instruments.certificate_until_us = Micros(NOW_US + SECOND_US)
    page = page_of(instruments)
    now_s = NOW_US / SECOND_US
    assert [[(sample.labels, sample.value) for sample in samples_of(page, name)] for name in names] == [
        [({"folder": "data"}, 10)],
        [({"folder": "data"}, 40)],
        [({}, 7)],
        [({}, 5)],
        [({}, now_s)],
        [({}, now_s + 1)],
    ]


def test_source_with_any_name_keeps_the_page_readable() -> None:
    instruments = Instruments(['a"quote', "back\\slash", "жедел"])
    named = {sample.labels["source"] for sample in samples_of(page_of(instruments), "jedel_source_events_total")}
    assert named == {'a"quote', "back\\slash", "жедел"}


def test_openmetrics_is_given_to_whoever_asks_for_it() -> None:
    body, content_type = render(registry_of(Instruments()), "application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")
