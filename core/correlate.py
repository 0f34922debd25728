"""Correlate: whether an event tells of a happening that already has an incident, and why (CITY-11).

Rules in order, each giving its `CorrelateReason`: the call it updates; the number that called before; the device that spoke
before; an open incident of the same category near enough and recent enough. The register of open incidents keeps one index for
each, so a look-up costs O(1) however many incidents are open: the grid compares an event with at most
`limits.CORRELATE_SCAN_MAX` incidents in each of four cells.

What is found depends on the open incidents alone, never on the order in which they came to be known: an engine that has
recovered finds what the live one would have found (invariant 7). So everywhere the incident opened last goes first.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from math import cos, floor, radians
from operator import attrgetter
from typing import Final

import msgspec

from core import limits
from core.category import Category
from core.facts import CorrelateReason, Evidence, Joined
from core.great_circle import METRES_PER_DEGREE, distance_m
from core.incident import Incident
from core.instant import SECOND_US, Micros
from core.vocabulary import IncidentId

ACCURACY_SHARE_MAX_M: Final = 300.0
"""How far vague places may widen the circle: a cell sector of 5 km must not join a whole city."""
REPEAT_RADIUS_M: Final = 2_000.0
"""The same number calling from farther than this tells of something else."""
_CELL_MARGIN: Final = 1.01
"""Cells are larger than they must be by this, for what the circle on the sphere is wider than in the plane."""
_BY_ID: Final = attrgetter("incident_id")


class CorrelateRules(msgspec.Struct, frozen=True):
    """Bounds of correlation that are not a category's own."""

    repeat_window_us: int = 7200 * SECOND_US
    """A number that calls again within this calls about the same thing."""
    device_window_us: int = 1800 * SECOND_US
    """A device that speaks again within this means the same thing."""


class _Holders:
    """Which open incidents tell of a call, a number or a device.

    Invariant: `_newest` has the one opened last, `_older` the others, rising; a key without incidents is in neither.
    """

    def __init__(self) -> None:
        self._newest: dict[str, IncidentId] = {}
        self._older: dict[str, list[IncidentId]] = {}

    def __len__(self) -> int:
        return len(self._newest)

    def add(self, key: str, incident_id: IncidentId) -> None:
        newest = self._newest.setdefault(key, incident_id)
        if newest == incident_id:
            return
        older = self._older.setdefault(key, [])
        if incident_id > newest:
            self._newest[key] = incident_id
            incident_id = newest
        place = bisect_left(older, incident_id)
        if place == len(older) or older[place] != incident_id:
            older.insert(place, incident_id)

    def discard(self, key: str, incident_id: IncidentId) -> None:
        older = self._older.get(key)
        if older is None:
            if self._newest.get(key) == incident_id:
                del self._newest[key]
            return
        if self._newest[key] == incident_id:
            self._newest[key] = older.pop()
        elif incident_id in older:
            older.remove(incident_id)
        if not older:
            del self._older[key]

    def of(self, key: str) -> Iterator[IncidentId]:
        """The incidents that tell of it, the one opened last first."""
        newest = self._newest.get(key)
        if newest is not None:
            yield newest
            yield from reversed(self._older.get(key, ()))


class _Grid:
    """Open incidents of one category by place.

    A cell is twice as wide and high as the greatest reach, so a circle touches the two nearest rows and columns only. Rows
    are cut into cells of their own number of degrees; the grid has seams at the poles and at 180 degrees, where no city lies.
    """

    def __init__(self, radius_m: float) -> None:
        self._row_size_deg = 2.0 * _CELL_MARGIN * (radius_m + ACCURACY_SHARE_MAX_M) / METRES_PER_DEGREE
        self._column_sizes_deg: dict[int, float] = {}
        self.cells: dict[tuple[int, int], list[Incident]] = {}
        """Within a cell in the order of their opening."""

    def cell(self, place: Evidence) -> tuple[int, int]:
        """The cell a place lies in."""
        row = floor(place.latitude_deg / self._row_size_deg)
        return row, floor(place.longitude_deg / self._column_size_deg(row))

    def around(self, place: Evidence) -> list[list[Incident]]:
        """The cells that may hold what is within reach of a place."""
        found = []
        nearest_row = round(place.latitude_deg / self._row_size_deg)
        for row in (nearest_row - 1, nearest_row):
            nearest_column = round(place.longitude_deg / self._column_size_deg(row))
            for column in (nearest_column - 1, nearest_column):
                cell = self.cells.get((row, column))
                if cell is not None:
                    found.append(cell)
        return found

    def _column_size_deg(self, row: int) -> float:
        """Width of a row's cells: as many metres as they are high, at the row's edge farther from the equator."""
        size_deg = self._column_sizes_deg.get(row)
        if size_deg is None:
            latitude_deg = min(max(abs(row), abs(row + 1)) * self._row_size_deg, 89.9)
            size_deg = self._column_sizes_deg[row] = self._row_size_deg / cos(radians(latitude_deg))
        return size_deg


class OpenIncidents:
    """Open incidents by everything an event may share with them.

    Invariants: an incident is in the grid of its category, in the cell of its place, or nowhere while it has no place; the
    indices hold exactly what open incidents' views tell, so they grow and shrink with them.
    """

    def __init__(self, rules: CorrelateRules) -> None:
        self._rules = rules
        self._by_call = _Holders()
        self._by_phone = _Holders()
        self._by_device = _Holders()
        self._grids: dict[str, _Grid] = {}
        self._cell_of: dict[IncidentId, tuple[str, tuple[int, int]]] = {}
        """Incident → category and cell."""
        self._incidents: dict[IncidentId, Incident] = {}

    def note(self, incident: Incident, joined: Joined, category: Category) -> None:
        """Indexes an incident by an event that it tells of now, and by its place and category."""
        incident_id = incident.incident_id
        self._incidents[incident_id] = incident
        for holders, key in self._keys(joined):
            holders.add(key, incident_id)
        self.place(incident, category)

    def place(self, incident: Incident, category: Category) -> None:
        """Puts an incident where its place and category belong."""
        incident_id = incident.incident_id
        if incident.place is None:
            self._leave_cell(incident)
            return
        grid = self._grids.get(category.code)
        if grid is None:
            grid = self._grids[category.code] = _Grid(category.radius_m)
        cell = grid.cell(incident.place)
        if self._cell_of.get(incident_id) == (category.code, cell):
            return
        self._leave_cell(incident)
        self._cell_of[incident_id] = (category.code, cell)
        members = grid.cells.setdefault(cell, [])
        members.insert(bisect_left(members, incident_id, key=_BY_ID), incident)

    def release(self, incident: Incident, gone: Iterable[Joined]) -> None:
        """Takes an incident out of the indices for events that it does not tell of any more."""
        kept = [key for joined in incident.told for key in self._keys(joined)]
        for holders, key in chain.from_iterable(map(self._keys, gone)):
            if (holders, key) not in kept:
                holders.discard(key, incident.incident_id)

    def forget(self, incident: Incident) -> None:
        """Takes an incident out when it ends."""
        self._incidents.pop(incident.incident_id, None)
        self._leave_cell(incident)
        for joined in incident.told:
            for holders, key in self._keys(joined):
                holders.discard(key, incident.incident_id)

    def by_call(self, call: str) -> Incident | None:
        """The open incident that a call belongs to."""
        for incident_id in self._by_call.of(call):
            return self._incidents[incident_id]
        return None

    def find(
        self, category: Category, place: Evidence | None, phone: str, device: str, now_us: Micros
    ) -> tuple[Incident, CorrelateReason] | None:
        """The open incident an event tells of, and why; None when it tells of something new."""
        if phone:
            for incident_id in islice(self._by_phone.of(phone), limits.CORRELATE_SCAN_MAX):
                incident = self._incidents[incident_id]
                recent = now_us - incident.told_us <= self._rules.repeat_window_us
                if recent and _may_repeat(incident, category, place):
                    return incident, CorrelateReason.SAME_NUMBER
        if device:
            for incident_id in islice(self._by_device.of(device), limits.CORRELATE_SCAN_MAX):
                incident = self._incidents[incident_id]
                if now_us - incident.told_us <= self._rules.device_window_us:
                    return incident, CorrelateReason.SAME_DEVICE
        if place is not None:
            near = self._near(category, place, now_us)
            if near is not None:
                return near, CorrelateReason.NEAR_SAME_CATEGORY
        return None

    def _keys(self, joined: Joined) -> Iterator[tuple[_Holders, str]]:
        if joined.call:
            yield self._by_call, joined.call
        if joined.caller is not None and joined.caller.e164:
            yield self._by_phone, joined.caller.e164
        if joined.device:
            yield self._by_device, joined.device

    def _near(self, category: Category, place: Evidence, now_us: Micros) -> Incident | None:
        """The nearest of the recent ones within reach; of equally near ones, the one opened last."""
        grid = self._grids.get(category.code)
        if grid is None:
            return None
        oldest_us = now_us - int(category.window_s * SECOND_US)
        latitude_deg, longitude_deg = place.latitude_deg, place.longitude_deg
        farthest_deg = _CELL_MARGIN * (category.radius_m + ACCURACY_SHARE_MAX_M) / METRES_PER_DEGREE
        widest_deg = farthest_deg / cos(radians(min(abs(latitude_deg) + farthest_deg, 89.0)))
        best: tuple[float, int] | None = None
        found: Incident | None = None
        for cell in grid.around(place):
            # The newest of the cell by a slice: no cell that is as crowded is walked to its end.
            for incident in cell[: -limits.CORRELATE_SCAN_MAX - 1 : -1]:
                known = incident.place
                # The differences in degrees tell of most that they are too far, at a tenth of the distance's cost.
                if (
                    known is None
                    or abs(known.latitude_deg - latitude_deg) > farthest_deg
                    or abs(known.longitude_deg - longitude_deg) > widest_deg
                    or incident.told_us < oldest_us
                ):
                    continue
                apart_m = distance_m(latitude_deg, longitude_deg, known.latitude_deg, known.longitude_deg)
                reach_m = category.radius_m + min(max(place.accuracy_m, known.accuracy_m), ACCURACY_SHARE_MAX_M)
                rank = (apart_m, -incident.incident_id)
                if apart_m <= reach_m and (best is None or rank < best):
                    best, found = rank, incident
        return found

    def _leave_cell(self, incident: Incident) -> None:
        known = self._cell_of.pop(incident.incident_id, None)
        if known is not None:
            code, cell = known
            cells = self._grids[code].cells
            members = cells[cell]
            del members[bisect_left(members, incident.incident_id, key=_BY_ID)]
            if not members:
                del cells[cell]


def _may_repeat(incident: Incident, category: Category, place: Evidence | None) -> bool:
    """Whether a number may tell of this incident again: from near it, or of the same thing with another kind of evidence."""
    known = incident.place
    if place is None or known is None:
        return True
    apart_m = distance_m(place.latitude_deg, place.longitude_deg, known.latitude_deg, known.longitude_deg)
    return apart_m <= REPEAT_RADIUS_M or (incident.category == category.code and place.source is not known.source)
