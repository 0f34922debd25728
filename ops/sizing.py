"""What machine a city needs: measured costs of one event, times the city's rates at its worst hour.

Rules: every coefficient was measured by `make coefficients` on one machine and carries its error; every assumption about
the city is a field with its source, so that whoever knows better says so; a sum's error is the sum of the errors, since costs
measured in one run err together. One process decides, on one core: that core's share is the first bound, and a city that
does not fit is divided into centres of the vertical.
"""

from __future__ import annotations

from importlib.resources import files
from math import ceil
from pathlib import Path
from typing import Final

import msgspec

DAY_S: Final = 86_400.0
LOAD_MAX: Final = 0.7
"""Share of the deciding core that may be planned with. Above it the batches, and with them the latencies, grow quickly."""
DATABASE_LOAD_MAX: Final = 0.7
GIB: Final = 2.0**30


class Figure(msgspec.Struct, frozen=True):
    """A value with its error, both in the same unit."""

    value: float
    error: float = 0.0

    def __add__(self, other: Figure) -> Figure:
        return Figure(self.value + other.value, self.error + other.error)

    def times(self, factor: float) -> Figure:
        """The figure of so many."""
        return Figure(self.value * factor, self.error * factor)

    @property
    def most(self) -> float:
        """What to plan with."""
        return self.value + self.error


class Cost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one event of a kind costs."""

    centre_us: Figure
    """Microseconds of the centre's process."""
    database_us: Figure
    """Microseconds of all of PostgreSQL's processes."""
    disk_bytes: Figure
    """What stays in tables and indexes."""
    wal_bytes: Figure
    """What goes through the write-ahead log."""
    wire_bytes: Figure
    """What comes in over the network."""


class Coefficients(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was measured, where and when."""

    machine: str
    measured_on: str
    version: str
    call: Cost
    """A call through the whole flow, with the crew's answers that follow it in a benchmark: none."""
    report: Cost
    """A crew's status or answer."""
    read: Cost
    """A plate read or another sensor event that opens nothing."""
    position: Cost
    shown_call_us: Figure
    """Microseconds of the centre's process to show what one call changes to one client."""
    shown_position_us: Figure
    """The same for one position, to a client that asked for positions."""
    centre_bytes: Figure
    """Memory of a centre with a city's map and nothing to do."""
    call_bytes: Figure
    """Memory that a call takes until its incident is closed."""
    crew_bytes: Figure
    """Memory of one crew on duty."""
    client_bytes: Figure
    """Memory of one connected dispatch client."""
    check: float
    """The centre's measured time under a mix of everything, by the time that these coefficients foretell: 1 is right, and what
    is above it is planned with."""


class City(msgspec.Struct, frozen=True, kw_only=True):
    """A city's figures. What has a default is an assumption, and says whose."""

    calls_a_day: float
    cameras: int
    crews: int
    clients: int
    worst_calls_times: float = 10.0
    """Calls of the worst hour by those of the mean one: a storm or unrest multiplies them by ten."""
    reads_a_camera_a_day: float = 1_000.0
    """Events that a camera sends: most see no street with traffic. A plate reader on an avenue sends ten times that."""
    worst_reads_times: float = 2.5
    """The rush hour's by the mean hour's."""
    position_every_s: float = 5.0
    """Crews report every 5 to 15 s."""
    crew_reports_a_call: float = 5.0
    """Accepted, under way, on scene, cleared, free."""
    shown_share: float = 0.125
    """Of all that happens, what one client watches: its district, of eight."""
    open_h: float = 2.0
    """How long an incident is open."""
    event_days: float = 30.0
    """`storage.event_days` and `storage.position_days`."""
    incident_days: float = 1_095.0
    """`storage.incident_days`."""
    positions_kept_share: float = 1.0
    """Positions are thinned where a crew stands still."""


ASSUMED: Final = City(calls_a_day=0.0, cameras=0, crews=0, clients=0)
"""Nobody's city: what is assumed of any."""


class Rates(msgspec.Struct, frozen=True):
    """Events a second in the city's worst hour."""

    calls: float
    reports: float
    reads: float
    positions: float


class Need(msgspec.Struct, frozen=True):
    """What a city needs."""

    worst: Rates
    deciding: Figure
    """Cores of the centre's process in the worst hour; more than `LOAD_MAX` does not fit one centre."""
    showing: Figure
    """Of these, what goes to show clients what they watch: it grows with clients times what happens."""
    database: Figure
    """Cores of PostgreSQL in the worst hour."""
    centres: int
    """Centres that the city is to be divided into."""
    cores: int
    """Of each centre's machine, its database on it."""
    memory_bytes: Figure
    """Of each centre's process in the worst hour."""
    memory_gib: int
    """Of each centre's machine, with what PostgreSQL and the page cache want."""
    disk_bytes: Figure
    """Of all centres together, with everything kept as long as it is kept."""
    disk_bytes_a_day: Figure
    wal_bytes_a_s: Figure
    """In the worst hour: what the disk must take in order, and a replica's line must carry."""
    wire_bytes_a_s: Figure
    """Incoming, in the worst hour."""


def coefficients_of(file: Path | None = None) -> Coefficients:
    """What was measured: jedel's own figures, or those of a file that `make coefficients` wrote.

    Raises:
        OSError: the file cannot be read.
        ValueError: it does not hold coefficients; the text names the file and the field.
    """
    own = files("ops") / "coefficients.json"
    content = own.read_bytes() if file is None else file.read_bytes()
    try:
        return msgspec.json.decode(content, type=Coefficients)
    except msgspec.DecodeError as error:
        raise ValueError(f"{file or own}: {error}") from error


def size(city: City, known: Coefficients, speed: float = 1.0) -> Need:
    """What a city needs.

    Args:
        city: its figures.
        known: what was measured.
        speed: how many times as fast one core of the machine in question is as one of the machine measured on.

    Raises:
        ValueError: a figure that is not positive; the text names it.
    """
    for name in msgspec.structs.asdict(city):
        if getattr(city, name) < 0:
            raise ValueError(f"{name}: {getattr(city, name)} must be at least 0")
    for name, value in (("position_every_s", city.position_every_s), ("speed", speed)):
        if value <= 0:
            raise ValueError(f"{name}: {value} must be above 0")
    mean = Rates(
        calls=city.calls_a_day / DAY_S,
        reports=city.calls_a_day * city.crew_reports_a_call / DAY_S,
        reads=city.cameras * city.reads_a_camera_a_day / DAY_S,
        positions=city.crews / city.position_every_s,
    )
    worst = Rates(
        calls=mean.calls * city.worst_calls_times,
        reports=mean.reports * city.worst_calls_times,
        reads=mean.reads * city.worst_reads_times,
        positions=mean.positions,
    )
    shown = known.shown_call_us.times(worst.calls) + known.shown_position_us.times(worst.positions)
    # Kinds disturb one another: what a mix took beyond the sum of its parts is planned with.
    mixed = 1e-6 / speed * max(1.0, known.check)
    showing = shown.times(city.clients * city.shown_share).times(mixed)
    deciding = _sum(known, worst, "centre_us").times(mixed) + showing
    database = _sum(known, worst, "database_us").times(1e-6 / speed)
    centres = max(1, ceil(deciding.most / LOAD_MAX))
    open_calls = worst.calls * city.open_h * 3600.0
    memory = known.centre_bytes + (
        known.call_bytes.times(open_calls) + known.crew_bytes.times(city.crews) + known.client_bytes.times(city.clients)
    ).times(1.0 / centres)
    events_a_day = Rates(0.0, mean.reports * DAY_S, mean.reads * DAY_S, mean.positions * city.positions_kept_share * DAY_S)
    calls_a_day = Rates(city.calls_a_day, 0.0, 0.0, 0.0)
    short, long = _sum(known, events_a_day, "disk_bytes"), _sum(known, calls_a_day, "disk_bytes")
    return Need(
        worst=worst,
        deciding=deciding,
        showing=showing,
        database=database,
        centres=centres,
        # One for the centre's process, the database's, and one for the system, the backups and a standby's replay.
        cores=2 + max(1, ceil(database.most / centres / DATABASE_LOAD_MAX)),
        memory_bytes=memory,
        memory_gib=_memory_gib(memory.most),
        disk_bytes=short.times(city.event_days) + long.times(city.incident_days),
        disk_bytes_a_day=short + long,
        wal_bytes_a_s=_sum(known, worst, "wal_bytes"),
        wire_bytes_a_s=_sum(known, worst, "wire_bytes"),
    )


def _sum(known: Coefficients, rates: Rates, what: str) -> Figure:
    """One kind of cost of all events together."""
    total = Figure(0.0)
    pairs = (
        (known.call, rates.calls),
        (known.report, rates.reports),
        (known.read, rates.reads),
        (known.position, rates.positions),
    )
    for cost, rate in pairs:
        one: Figure = getattr(cost, what)
        total += one.times(rate)
    return total


def _memory_gib(process_bytes: float) -> int:
    """The next size that machines are sold in: as much again for a new life beside a dying one, and 2 GiB for PostgreSQL."""
    wanted_gib = 2.0 * process_bytes / GIB + 2.0
    bought = 4
    while bought < wanted_gib:
        bought *= 2
    return bought
