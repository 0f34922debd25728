"""Records of a computer-aided dispatch system (CAD) as calls and units: what `jedel replay` plays and measures itself
against.

Place in the flow: before it. The format is that of San Francisco's "Fire Department Calls for Service" (CSV, one line a unit
and call, gzipped or not): received → entry → dispatch → response → on scene → available, in local time of
America/Los_Angeles.

Rules: a line that cannot be read is a `CadFault` with its line number, column, value and reason, and nothing else becomes of
it; a stage that was never reached is empty there and None here; stages run forward in time or the line is a fault. Local
times that occur twice a year are taken as the first of the two.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from statistics import fmean
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from core.events import Call, Fix
from core.instant import Micros, to_datetime, to_micros

TIME_FORMAT: Final = "%m/%d/%Y %I:%M:%S %p"
ZONE: Final = "America/Los_Angeles"
STAGES: Final = ("Received DtTm", "Entry DtTm", "Dispatch DtTm", "Response DtTm", "On Scene DtTm", "Available DtTm")
"""In the order in which they happen."""
NEVER_EMPTY: Final = 3
"""So many of the first stages every line has."""
REQUIRED: Final = (
    "Call Number",
    "Unit ID",
    "Call Type",
    *STAGES,
    "Watch Date",
    "Address",
    "Station Area",
    "Final Priority",
    "Call Type Group",
    "Unit Type",
    "Location",
)
CAPABILITIES: Final[dict[str, tuple[str, ...]]] = {
    "MEDIC": ("ambulance",),
    "PRIVATE": ("ambulance",),
    "ENGINE": ("fire",),
    "TRUCK": ("ladder",),
    "CHIEF": ("chief",),
    "RESCUE CAPTAIN": ("rescue_captain",),
    "RESCUE SQUAD": ("rescue", "ladder"),
    "SUPPORT": ("support",),
    "INVESTIGATION": ("investigation",),
}
"""Unit type → what such a unit can do, the first being what it is sent for."""
ALWAYS_STAFFED: Final = frozenset({"ENGINE", "TRUCK", "CHIEF", "RESCUE CAPTAIN", "RESCUE SQUAD"})
"""These stand at their stations day and night; the others are on duty while their day's records last."""


class CadError(Exception):
    """The file as a whole cannot be read: no such columns, not gzip, not text."""


class CadFault(msgspec.Struct, frozen=True):
    """A line that was not taken, and why."""

    line: int
    """As an editor counts, the header being 1."""
    column: str
    value: str
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}, {self.column}: {self.reason} ({self.value!r})"


class UnitRecord(msgspec.Struct, frozen=True):
    """One unit sent to one call, with the instants of its stages."""

    unit: str
    call: str
    capability: str
    dispatched_us: Micros
    response_us: Micros | None
    on_scene_us: Micros | None
    available_us: Micros | None


class CadCall(msgspec.Struct, frozen=True):
    """One call with all units that were sent to it, in order of dispatch."""

    number: str
    kind: str
    """Call type and group, for example `Medical Incident / Potentially Life-Threatening`."""
    received_us: Micros
    entered_us: Micros
    """When the call taker had asked what there is to ask: nobody knew place and kind before."""
    urgent: bool
    """Final priority 3: lights and sirens."""
    place: Fix
    address: str
    station_area: str
    records: tuple[UnitRecord, ...]

    @property
    def dispatched_us(self) -> Micros:
        """When the first unit was sent."""
        return self.records[0].dispatched_us

    @property
    def on_scene_us(self) -> Micros | None:
        """When the first unit arrived; None when none did."""
        return min((record.on_scene_us for record in self.records if record.on_scene_us is not None), default=None)

    def as_event(self, seq: int, at_us: int, category: str) -> Call:
        """The call as a telephone platform that knows the caller's place would send it."""
        return Call(
            seq=seq, at=to_datetime(at_us), call_id=self.number, words=self.kind, language="en", category=category,
            given=self.place, address=self.address,
        )  # fmt: skip


class CadUnit(msgspec.Struct, frozen=True):
    """A unit: what it can do, where it waits, and when it is on duty."""

    unit: str
    capabilities: tuple[str, ...]
    home: Fix
    """The middle of the calls in the station area it is most often sent to, where the data name no station."""
    duty: tuple[tuple[Micros, Micros], ...]
    """From–to, in order, not touching."""
    records: tuple[UnitRecord, ...]


class Cad(msgspec.Struct, frozen=True):
    """A file's content: calls in order of receipt, units by name, faults in order of line."""

    calls: tuple[CadCall, ...]
    units: tuple[CadUnit, ...]
    faults: tuple[CadFault, ...]


class _Line(msgspec.Struct, frozen=True):
    """One line as read, before lines are put together."""

    record: UnitRecord
    unit_type: str
    watch_date: str
    kind: str
    received_us: Micros
    entered_us: Micros
    urgent: bool
    place: Fix
    address: str
    station_area: str


def read_cad(path: Path) -> Cad:
    """Reads a whole file.

    Raises `CadError` when it is not such a file, `OSError` when it cannot be read. Time and memory are linear in its lines.
    """
    lines: list[_Line] = []
    faults: list[CadFault] = []
    for read in _read_lines(path):
        if isinstance(read, CadFault):
            faults.append(read)
        else:
            lines.append(read)
    return Cad(calls=_calls(lines), units=_units(lines), faults=tuple(faults))


def _read_lines(path: Path) -> Iterator[_Line | CadFault]:
    with path.open("rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
    with gzip.open(path, "rt", encoding="utf-8", newline="") if zipped else path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        try:
            header = next(reader, [])
            missing = [column for column in REQUIRED if column not in header]
            if missing:
                raise CadError(f"{path}: line 1 lacks the columns {', '.join(missing)}")
            places = {column: header.index(column) for column in REQUIRED}
            for row in reader:
                if not row:
                    continue
                if len(row) != len(header):
                    yield CadFault(reader.line_num, "the whole line", str(len(row)), f"has not {len(header)} columns")
                    continue
                yield _read_line({column: row[place].strip() for column, place in places.items()}, reader.line_num)
        except (csv.Error, UnicodeDecodeError, EOFError, gzip.BadGzipFile) as error:
            raise CadError(f"{path}: after line {reader.line_num}: {error}") from error


def _read_line(cells: dict[str, str], line: int) -> _Line | CadFault:
    for column in ("Call Number", "Unit ID", "Call Type"):
        if not cells[column]:
            return CadFault(line, column, "", "is empty")
    if cells["Unit Type"] not in CAPABILITIES:
        return CadFault(line, "Unit Type", cells["Unit Type"], f"is none of {', '.join(CAPABILITIES)}")
    stages: dict[str, Micros] = {}
    latest_us = Micros(0)
    for number, column in enumerate(STAGES):
        value = cells[column]
        if not value:
            if number < NEVER_EMPTY:
                return CadFault(line, column, value, "is empty")
            continue
        try:
            instant = _instant(value)
        except ValueError:
            return CadFault(line, column, value, "is no time such as 04/07/2020 11:53:08 PM")
        if instant < latest_us:
            return CadFault(line, column, value, "is earlier than the stage before it")
        stages[column] = latest_us = instant
    place = _place(cells["Location"])
    if place is None:
        return CadFault(line, "Location", cells["Location"], "is no place such as (37.73, -122.42)")
    group = cells["Call Type Group"]
    return _Line(
        record=UnitRecord(
            unit=cells["Unit ID"],
            call=cells["Call Number"],
            capability=CAPABILITIES[cells["Unit Type"]][0],
            dispatched_us=stages["Dispatch DtTm"],
            response_us=stages.get("Response DtTm"),
            on_scene_us=stages.get("On Scene DtTm"),
            available_us=stages.get("Available DtTm"),
        ),
        unit_type=cells["Unit Type"],
        watch_date=cells["Watch Date"],
        kind=f"{cells['Call Type']} / {group}" if group else cells["Call Type"],
        received_us=stages["Received DtTm"],
        entered_us=stages["Entry DtTm"],
        urgent=cells["Final Priority"] == "3",
        place=place,
        address=cells["Address"],
        station_area=cells["Station Area"],
    )


@lru_cache(maxsize=4096)
def _instant(value: str) -> Micros:
    # The units of one call share most of their stages, so half of the parsing is saved.
    return to_micros(datetime.strptime(value, TIME_FORMAT).replace(tzinfo=ZoneInfo(ZONE)))


def _place(value: str) -> Fix | None:
    latitude, _, longitude = value.removeprefix("(").removesuffix(")").partition(",")
    try:
        # A block's middle is given, not the door.
        place = Fix(latitude_deg=float(latitude), longitude_deg=float(longitude), accuracy_m=75.0)
    except ValueError:
        return None
    return place if -90 <= place.latitude_deg <= 90 and -180 <= place.longitude_deg <= 180 else None


def _calls(lines: Sequence[_Line]) -> tuple[CadCall, ...]:
    by_call: dict[str, list[_Line]] = {}
    for line in lines:
        by_call.setdefault(line.record.call, []).append(line)
    calls = [_call(same) for same in by_call.values()]
    return tuple(sorted(calls, key=lambda call: (call.received_us, call.number)))


def _call(lines: Sequence[_Line]) -> CadCall:
    """One call of all its lines; what they share is taken from the first."""
    first = lines[0]
    return CadCall(
        number=first.record.call,
        kind=first.kind,
        received_us=first.received_us,
        entered_us=first.entered_us,
        urgent=any(line.urgent for line in lines),
        place=first.place,
        address=first.address,
        station_area=first.station_area,
        records=tuple(sorted((line.record for line in lines), key=lambda record: (record.dispatched_us, record.unit))),
    )


def _units(lines: Sequence[_Line]) -> tuple[CadUnit, ...]:
    by_unit: dict[str, list[_Line]] = {}
    by_area: dict[str, list[Fix]] = {}
    for line in lines:
        by_unit.setdefault(line.record.unit, []).append(line)
        by_area.setdefault(line.station_area, []).append(line.place)
    centres = {
        area: Fix(fmean(place.latitude_deg for place in places), fmean(place.longitude_deg for place in places), 500.0)
        for area, places in by_area.items()
    }
    first_us = min((line.received_us for line in lines), default=Micros(0))
    last_us = max((_ends_us(line.record) for line in lines), default=Micros(0))
    units: list[CadUnit] = []
    for unit, own in sorted(by_unit.items()):
        areas = [line.station_area for line in own]
        always = own[0].unit_type in ALWAYS_STAFFED
        units.append(
            CadUnit(
                unit=unit,
                capabilities=CAPABILITIES[own[0].unit_type],
                home=centres[max(sorted(set(areas)), key=areas.count)],
                duty=((first_us, Micros(last_us + 1)),) if always else _duty(own),
                records=tuple(sorted((line.record for line in own), key=lambda record: record.dispatched_us)),
            )
        )
    return tuple(units)


def _duty(lines: Sequence[_Line]) -> tuple[tuple[Micros, Micros], ...]:
    """A shift a watch date, from its first dispatch to its last moment; shifts that touch are one."""
    shifts: dict[str, tuple[Micros, Micros]] = {}
    for line in lines:
        began_us, ended_us = line.record.dispatched_us, _ends_us(line.record)
        if line.watch_date in shifts:
            began_us, ended_us = min(began_us, shifts[line.watch_date][0]), max(ended_us, shifts[line.watch_date][1])
        shifts[line.watch_date] = began_us, ended_us
    joined: list[tuple[Micros, Micros]] = []
    for began_us, ended_us in sorted(shifts.values()):
        if joined and began_us <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], ended_us)
        else:
            joined.append((began_us, ended_us))
    return tuple(joined)


def _ends_us(record: UnitRecord) -> Micros:
    stages = (record.available_us, record.on_scene_us, record.response_us)
    return next((stage for stage in stages if stage is not None), record.dispatched_us)
