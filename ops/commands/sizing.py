"""`jedel size`: what machine a city needs, from measured costs with their errors."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ops.sizing import ASSUMED, LOAD_MAX, City, Figure, coefficients_of, size

if TYPE_CHECKING:
    from ops.sizing import Coefficients, Need

_MIB = 2.0**20


def size_city(
    *,
    calls_a_day: Annotated[float, Parameter(help="calls that come in on a mean day")],
    cameras: Annotated[int, Parameter(help="cameras and other sensors that send events")],
    crews: Annotated[int, Parameter(help="crews on duty that report where they are")],
    clients: Annotated[int, Parameter(help="dispatch clients connected at once")],
    worst_calls_times: Annotated[
        float, Parameter(help="calls of the worst hour, by the mean hour's: ten in a storm")
    ] = ASSUMED.worst_calls_times,
    reads_a_camera_a_day: Annotated[float, Parameter(help="events that one camera sends")] = ASSUMED.reads_a_camera_a_day,
    worst_reads_times: Annotated[float, Parameter(help="the rush hour's, by the mean hour's")] = ASSUMED.worst_reads_times,
    position_every_s: Annotated[float, Parameter(help="seconds between two positions of a crew")] = ASSUMED.position_every_s,
    shown_share: Annotated[float, Parameter(help="share of all that happens which one client watches")] = ASSUMED.shown_share,
    open_h: Annotated[float, Parameter(help="hours that an incident is open")] = ASSUMED.open_h,
    event_days: Annotated[float, Parameter(help="days that events and positions are kept")] = ASSUMED.event_days,
    incident_days: Annotated[float, Parameter(help="days that incidents are kept")] = ASSUMED.incident_days,
    speed: Annotated[float, Parameter(help="how many times as fast a core is as the one measured on")] = 1.0,
    coefficients: Annotated[Path | None, Parameter(help="a file by `make coefficients`, in place of jedel's own")] = None,
    json: Annotated[bool, Parameter(help="everything as JSON, unrounded")] = False,
) -> int:
    """Says what machine a city needs, from measured costs of one event with their errors; status 1 if one centre is not enough.

    The worst hour of the year decides the cores and the memory, the mean day the disk. Each value that has a default is an
    assumption: better give your own.
    """
    import msgspec

    city = City(
        calls_a_day=calls_a_day,
        cameras=cameras,
        crews=crews,
        clients=clients,
        worst_calls_times=worst_calls_times,
        reads_a_camera_a_day=reads_a_camera_a_day,
        worst_reads_times=worst_reads_times,
        position_every_s=position_every_s,
        shown_share=shown_share,
        open_h=open_h,
        event_days=event_days,
        incident_days=incident_days,
    )
    try:
        known = coefficients_of(coefficients)
        need = size(city, known, speed)
    except (ValueError, OSError) as error:
        print(f"jedel: {error}", file=sys.stderr)
        return 2
    if json:
        print(msgspec.json.encode({"city": city, "coefficients": known, "need": need}).decode())
    else:
        print("\n".join(as_lines(need, known, clients)))
    return 1 if need.centres > 1 else 0


def as_lines(need: Need, known: Coefficients, clients: int) -> list[str]:
    """What a person reads."""
    worst = need.worst
    fits = "one centre carries it" if need.centres == 1 else f"to be divided into {need.centres} centres of the vertical"
    each = f"each of {need.centres} centres: " if need.centres > 1 else ""
    events = f"{worst.calls:,.2f} calls, {worst.reports:,.2f} crew reports, {worst.reads:,.0f} sensor events"
    mix = max(1.0, known.check)
    deciding, showing, database = (written(figure) for figure in (need.deciding, need.showing, need.database))
    return [
        f"worst hour: {events}, {worst.positions:,.0f} positions a second",
        f"deciding: {deciding} cores in the worst hour, at most {LOAD_MAX} of one may be planned with: {fits}",
        f"of it: {showing} to show {clients:,} clients what each of them watches",
        f"database: {database} cores in the worst hour, {written(need.wal_bytes_a_s, _MIB)} MiB/s of write-ahead log",
        f"network: {written(need.wire_bytes_a_s, _MIB)} MiB/s in; what clients are sent comes on top and was not measured",
        f"disk: {written(need.disk_bytes_a_day, 1e9)} GB a day; {written(need.disk_bytes, 1e12)} TB with all that is kept",
        f"memory: {written(need.memory_bytes, _MIB)} MiB of the centre's process",
        f"machine: {each}{need.cores} cores, {need.memory_gib} GiB of memory, and the same again for the standby",
        f"measured {known.measured_on} on {known.machine}; counted in: a mix takes {mix:.2f} times what its parts take alone",
    ]


def written(figure: Figure, unit: float = 1.0) -> str:
    """A figure in a unit, with the digits that mean something; where its error is as large as it is, its bound."""
    value, error, most = figure.value / unit, figure.error / unit, figure.most / unit
    if error >= value > 0:
        return f"at most {most:,.{_digits(most)}f}"
    digits = _digits(value)
    shown = f"{error:,.{digits}f}"
    return f"{value:,.{digits}f}" + (f" ± {shown}" if float(shown.replace(",", "")) else "")


def _digits(value: float) -> int:
    return 0 if value >= 100 or not value else 1 if value >= 10 else 2 if value >= 0.1 else 4
