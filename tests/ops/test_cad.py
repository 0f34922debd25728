"""CAD records: each stage in its place, each bad line named by line and column, the real file read whole."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.instant import SECOND_US, rfc3339
from ops.cad import CadError, CadFault, read_cad

GOOD = {
    "Call Number": "200983546",
    "Unit ID": "E32",
    "Call Type": "Medical Incident",
    "Watch Date": "04/07/2020",
    "Received DtTm": "04/07/2020 11:53:08 PM",
    "Entry DtTm": "04/07/2020 11:55:30 PM",
    "Dispatch DtTm": "04/07/2020 11:55:56 PM",
    "Response DtTm": "04/07/2020 11:58:22 PM",
    "On Scene DtTm": "04/08/2020 12:00:00 AM",
    "Available DtTm": "04/08/2020 12:15:40 AM",
    "Address": "4000 Block of MISSION ST",
    "Station Area": "32",
    "Final Priority": "3",
    "Call Type Group": "Non Life-threatening",
    "Unit Type": "ENGINE",
    "Location": "(37.73217458500619, -122.42779351441527)",
}
MEDIC = {
    "Unit ID": "85",
    "Unit Type": "MEDIC",
    "On Scene DtTm": "04/08/2020 12:02:21 AM",
    "Available DtTm": "04/08/2020 01:35:00 AM",
}


def text(*changes: dict[str, str]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(GOOD), lineterminator="\n")
    writer.writeheader()
    writer.writerows({**GOOD, **change} for change in changes)
    return out.getvalue()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "cad.csv"


def test_call_has_all_its_units_and_stages(file: Path) -> None:
    file.write_text(text(MEDIC, {}))
    cad = read_cad(file)
    assert cad.faults == ()
    (call,) = cad.calls
    assert (call.number, call.kind, call.urgent) == ("200983546", "Medical Incident / Non Life-threatening", True)
    assert [record.unit for record in call.records] == ["85", "E32"]
    # Pacific daylight time is seven hours behind UTC.
    assert rfc3339(call.received_us) == "2020-04-08T06:53:08Z"
    assert rfc3339(call.entered_us) == "2020-04-08T06:55:30Z"
    assert rfc3339(call.dispatched_us) == "2020-04-08T06:55:56Z"
    assert call.on_scene_us is not None
    assert rfc3339(call.on_scene_us) == "2020-04-08T07:00:00Z"
    engine = call.records[1]
    assert engine.response_us is not None
    assert engine.available_us is not None
    assert (engine.response_us - engine.dispatched_us) // SECOND_US == 146
    assert (engine.available_us - call.on_scene_us) // SECOND_US == 940


def test_call_becomes_an_event_with_its_place(file: Path) -> None:
    file.write_text(text({}))
    cad = read_cad(file)
    event = cad.calls[0].as_event(7, 1_700_000_000 * SECOND_US, "medical")
    assert (event.seq, event.call_id, event.category, event.at.isoformat()) == (
        7,
        "200983546",
        "medical",
        "2023-11-14T22:13:20+00:00",
    )
    assert event.given is not None
    assert (round(event.given.latitude_deg, 4), round(event.given.longitude_deg, 4)) == (37.7322, -122.4278)


def test_stage_is_absent_when_it_was_not_reached(file: Path) -> None:
    file.write_text(text({"Response DtTm": "", "On Scene DtTm": "", "Available DtTm": ""}))
    (call,) = read_cad(file).calls
    assert (call.records[0].response_us, call.on_scene_us, call.records[0].available_us) == (None, None, None)


@pytest.mark.parametrize(
    ("change", "column", "reason"),
    [
        ({"Call Number": ""}, "Call Number", "is empty"),
        ({"Unit ID": " "}, "Unit ID", "is empty"),
        ({"Unit Type": "BALLOON"}, "Unit Type", "is none of MEDIC"),
        ({"Received DtTm": ""}, "Received DtTm", "is empty"),
        ({"Dispatch DtTm": ""}, "Dispatch DtTm", "is empty"),
        ({"Entry DtTm": "2020-04-07 23:55"}, "Entry DtTm", "is no time"),
        ({"Entry DtTm": "13/07/2020 11:55:30 PM"}, "Entry DtTm", "is no time"),
        ({"On Scene DtTm": "04/07/2020 11:58:21 PM"}, "On Scene DtTm", "is earlier than"),
        ({"Response DtTm": "", "On Scene DtTm": "04/07/2020 11:50:00 PM"}, "On Scene DtTm", "is earlier than"),
        ({"Location": ""}, "Location", "is no place"),
        ({"Location": "(137.7, -122.4)"}, "Location", "is no place"),
        ({"Location": "(nan, -122.4)"}, "Location", "is no place"),
    ],
)
def test_bad_line_is_named_by_line_and_column(file: Path, change: dict[str, str], column: str, reason: str) -> None:
    file.write_text(text({}, change, {"Call Number": "300"}))
    cad = read_cad(file)
    assert [call.number for call in cad.calls] == ["200983546", "300"]
    (fault,) = cad.faults
    assert (fault.line, fault.column) == (3, column)
    assert reason in fault.reason
    assert str(fault).startswith(f"line 3, {column}: ")


def test_line_is_named_when_it_has_too_few_columns(file: Path) -> None:
    file.write_text(text({}) + "200,E01\n")
    assert read_cad(file).faults == (CadFault(3, "the whole line", "2", "has not 16 columns"),)


def test_line_counts_as_an_editor_does_when_a_cell_holds_a_line_end(file: Path) -> None:
    file.write_text(text({"Address": "ONE\nTWO"}, {"Location": "?"}))
    assert [fault.line for fault in read_cad(file).faults] == [4]


def test_zipped_and_plain_are_the_same(file: Path, tmp_path: Path) -> None:
    file.write_text(text({}, MEDIC))
    zipped = tmp_path / "cad.csv.gz"
    zipped.write_bytes(gzip.compress(file.read_bytes()))
    assert read_cad(zipped) == read_cad(file)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "lacks the columns Call Number"),
        (b"a,b\n1,2\n", "lacks the columns"),
        (b"\x1f\x8bnot gzip at all", "after line 0"),
        (gzip.compress(text({}).encode())[:-12], "after line"),
        (text({}).encode() + b"\xff\xfe", "after line"),
    ],
)
def test_file_is_refused_when_it_is_none(file: Path, content: bytes, match: str) -> None:
    file.write_bytes(content)
    with pytest.raises(CadError, match=match):
        read_cad(file)


@given(
    value=st.text(alphabet=st.characters(exclude_characters='",\r\n', codec="utf-8"), max_size=30),
    column=st.sampled_from(sorted(GOOD)),
)
def test_any_cell_gives_a_call_or_a_fault_in_its_column(
    tmp_path_factory: pytest.TempPathFactory, value: str, column: str
) -> None:
    file = tmp_path_factory.mktemp("cad") / "cad.csv"
    file.write_text(text({column: value}), encoding="utf-8")
    cad = read_cad(file)
    assert len(cad.calls) + len(cad.faults) == 1
    # A broken stage may be noticed in the stage after it.
    assert all(fault.column == column or column.endswith("DtTm") for fault in cad.faults)


def test_ambulance_is_on_duty_while_its_shift_lasts(file: Path) -> None:
    later = {
        "Call Number": "2",
        "Watch Date": "04/09/2020",
        "Received DtTm": "04/09/2020 01:00:00 PM",
        "Entry DtTm": "04/09/2020 01:00:10 PM",
        "Dispatch DtTm": "04/09/2020 01:01:00 PM",
        "Response DtTm": "",
        "On Scene DtTm": "",
        "Available DtTm": "04/09/2020 01:30:00 PM",
    }
    file.write_text(text({}, MEDIC, {**MEDIC, **later}))
    ambulance, engine = read_cad(file).units
    assert (ambulance.unit, engine.unit) == ("85", "E32")
    assert [(rfc3339(began_us)[:16], rfc3339(ended_us)[:16]) for began_us, ended_us in engine.duty] == [
        ("2020-04-08T06:53", "2020-04-09T20:30")
    ]
    assert [(rfc3339(began_us)[:16], rfc3339(ended_us)[:16]) for began_us, ended_us in ambulance.duty] == [
        ("2020-04-08T06:55", "2020-04-08T08:35"),
        ("2020-04-09T20:01", "2020-04-09T20:30"),
    ]


def test_unit_waits_in_the_middle_of_its_usual_area(file: Path) -> None:
    elsewhere = {"Call Number": "3", "Station Area": "01", "Location": "(37.78, -122.40)"}
    file.write_text(text({}, {"Call Number": "2", "Location": "(37.74, -122.42)"}, elsewhere, {**elsewhere, **MEDIC}))
    homes = {unit.unit: unit.home.latitude_deg for unit in read_cad(file).units}
    assert homes["E32"] == pytest.approx((37.73217458500619 + 37.74) / 2)
    assert homes["85"] == pytest.approx(37.78)


@pytest.mark.real
def test_san_francisco_is_read_whole(real_data: Path) -> None:
    cad = read_cad(real_data / "cad-san-francisco-2020.csv.gz")
    assert (len(cad.calls), len(cad.units)) == (5_292, 199)
    assert sum(len(call.records) for call in cad.calls) + len(cad.faults) == 10_410
    # One line was available before it was on scene.
    assert [(fault.line, fault.column) for fault in cad.faults] == [(3313, "Available DtTm")]
    assert {unit.capabilities[0] for unit in cad.units} >= {"ambulance", "fire", "ladder", "chief", "rescue"}
    to_dispatch_s = fmean((call.dispatched_us - call.received_us) / SECOND_US for call in cad.calls)
    assert 119 < to_dispatch_s < 120
    for unit in cad.units:
        for record in unit.records:
            assert any(began_us <= record.dispatched_us <= ended_us for began_us, ended_us in unit.duty)
