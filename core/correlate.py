"""Correlate: whether an event tells of a happening that already has an incident, and why (CITY-11).

Rules in order, each giving its `CorrelateReason`: the call it updates; the number that called before; the device that spoke
before; an open incident of the same category near enough and recent enough. The register of open incidents keeps one index for
each, so a look-up costs O(1) however many incidents are open: the grid compares an event with at most
`limits.CORRELATE_SCAN_MAX` incidents in each of four cells.
"""

from __future__ import annotations

from itertools import islice
from math import asin, cos, floor, radians, sin, sqrt
from typing import Final

import msgspec

from core import limits
from core.category import Category
from core.facts import CorrelateReason, Evidence, Joined
from core.incident import Incident
from core.instant import SECOND_US, Micros
from core.vocabulary import CategoryCode, IncidentId

EARTH_RADIUS_M: Final = 6_371_008.8
METRES_PER_DEGREE: Final = EARTH_RADIUS_M * radians(1.0)
ACCURACY_SHARE_MAX_M: Final = 300.0
"""How far vague places may widen the circle: a cell sector of 5 km must not join a whole city."""
REPEAT_RADIUS_M: Final = 2_000.0
"""The same number calling from farther than this tells of something else."""


class CorrelateRules(msgspec.Struct, frozen=True):
    """Bounds of correlation that are not a category's own."""

    repeat_window_us: int = 7200 * SECOND_US
    """A number that calls again within this calls about the same thing."""
    device_window_us: int = 1800 * SECOND_US
    """A device that speaks again within this means the same thing."""


def distance_m(latitude_a_deg: float, longitude_a_deg: float, latitude_b_deg: float, longitude_b_deg: float) -> float:
    """Great-circle distance of two points in metres (haversine)."""
    lat_a, lat_b = radians(latitude_a_deg), radians(latitude_b_deg)
    half = sin((lat_b - lat_a) / 2) ** 2 + cos(lat_a) * cos(lat_b) * sin(radians(longitude_b_deg - longitude_a_deg) / 2) ** 2
    return 2 * EARTH_RADIUS_M * asin(sqrt(half))


class OpenIncidents:
    """Open incidents by everything an event may share with them.

    Invariant: an incident is in `_grid` under the cell of its place and category, or nowhere while it has no place; within a
    cell, incidents stand in the order of their latest event.
    """

    def __init__(self, rules: CorrelateRules) -> None:
        self._rules = rules
        self._by_call: dict[str, IncidentId] = {}
        self._by_phone: dict[str, IncidentId] = {}
        self._by_device: dict[str, IncidentId] = {}
        self._grid: dict[tuple[CategoryCode, int, int], dict[IncidentId, Incident]] = {}
        self._cell_of: dict[IncidentId, tuple[CategoryCode, int, int]] = {}
        self._incidents: dict[IncidentId, Incident] = {}
        self._row_sizes_deg: dict[CategoryCode, float] = {}

    def note(self, incident: Incident, joined: Joined, category: Category) -> None:
        """Indexes an incident by its latest event; the latest to hold a call, number or device is the one found by it."""
        incident_id = incident.incident_id
        self._incidents[incident_id] = incident
        if joined.call:
            self._by_call[joined.call] = incident_id
        if joined.caller is not None and joined.caller.e164:
            self._by_phone[joined.caller.e164] = incident_id
        if joined.device:
            self._by_device[joined.device] = incident_id
        self._leave_cell(incident_id)
        if incident.place is not None:
            cell = self._cell(category, incident.place.latitude_deg, incident.place.longitude_deg)
            self._cell_of[incident_id] = cell
            self._grid.setdefault(cell, {})[incident_id] = incident

    def forget(self, incident: Incident) -> None:
        """Takes an incident out when it ends."""
        incident_id = incident.incident_id
        self._incidents.pop(incident_id, None)
        self._leave_cell(incident_id)
        for joined in incident.told:
            self._drop(self._by_call, joined.call, incident_id)
            self._drop(self._by_device, joined.device, incident_id)
            if joined.caller is not None:
                self._drop(self._by_phone, joined.caller.e164, incident_id)

    @staticmethod
    def _drop(index: dict[str, IncidentId], key: str, incident_id: IncidentId) -> None:
        if key and index.get(key) == incident_id:
            del index[key]

    def by_call(self, call: str) -> Incident | None:
        """The open incident that a call belongs to."""
        return self._open(self._by_call.get(call))

    def find(
        self, category: Category, place: Evidence | None, phone: str, device: str, now_us: Micros
    ) -> tuple[Incident, CorrelateReason] | None:
        """The open incident an event tells of, and why; None when it tells of something new."""
        if phone:
            incident = self._open(self._by_phone.get(phone))
            if (
                incident is not None
                and now_us - incident.updated_us <= self._rules.repeat_window_us
                and self._may_repeat(incident, category, place)
            ):
                return incident, CorrelateReason.SAME_NUMBER
        if device:
            incident = self._open(self._by_device.get(device))
            if incident is not None and now_us - incident.updated_us <= self._rules.device_window_us:
                return incident, CorrelateReason.SAME_DEVICE
        if place is not None:
            incident = self._near(category, place, now_us)
            if incident is not None:
                return incident, CorrelateReason.NEAR_SAME_CATEGORY
        return None

    def _open(self, incident_id: IncidentId | None) -> Incident | None:
        # An ended incident may still be named by an event its view no longer tells of.
        return None if incident_id is None else self._incidents.get(incident_id)

    @staticmethod
    def _may_repeat(incident: Incident, category: Category, place: Evidence | None) -> bool:
        known = incident.place
        if place is None or known is None:
            return True
        apart_m = distance_m(place.latitude_deg, place.longitude_deg, known.latitude_deg, known.longitude_deg)
        return apart_m <= REPEAT_RADIUS_M or (incident.category == category.code and place.source is not known.source)

    def _near(self, category: Category, place: Evidence, now_us: Micros) -> Incident | None:
        """The nearest of the recent ones in the four cells around the point."""
        oldest_us = now_us - int(category.window_s * SECOND_US)
        row_size_deg = self._row_size_deg(category)
        nearest_row = round(place.latitude_deg / row_size_deg)
        best: Incident | None = None
        best_m = 0.0
        for row in (nearest_row - 1, nearest_row):
            nearest_column = round(place.longitude_deg / _column_size_deg(row, row_size_deg))
            for column in (nearest_column - 1, nearest_column):
                cell = self._grid.get((CategoryCode(category.code), row, column))
                if not cell:
                    continue
                for incident in islice(reversed(cell.values()), limits.CORRELATE_SCAN_MAX):
                    if incident.updated_us < oldest_us:
                        break
                    known = incident.place
                    assert known is not None
                    apart_m = distance_m(place.latitude_deg, place.longitude_deg, known.latitude_deg, known.longitude_deg)
                    reach_m = category.radius_m + min(max(place.accuracy_m, known.accuracy_m), ACCURACY_SHARE_MAX_M)
                    if apart_m <= reach_m and (best is None or apart_m < best_m):
                        best, best_m = incident, apart_m
        return best

    def _cell(self, category: Category, latitude_deg: float, longitude_deg: float) -> tuple[CategoryCode, int, int]:
        row_size_deg = self._row_size_deg(category)
        row = floor(latitude_deg / row_size_deg)
        return CategoryCode(category.code), row, floor(longitude_deg / _column_size_deg(row, row_size_deg))

    def _row_size_deg(self, category: Category) -> float:
        """Height of a cell: twice the greatest reach, so a circle touches the two nearest rows and columns only."""
        code = CategoryCode(category.code)
        size_deg = self._row_sizes_deg.get(code)
        if size_deg is None:
            size_deg = self._row_sizes_deg[code] = 2.0 * (category.radius_m + ACCURACY_SHARE_MAX_M) / METRES_PER_DEGREE
        return size_deg

    def _leave_cell(self, incident_id: IncidentId) -> None:
        cell = self._cell_of.pop(incident_id, None)
        if cell is not None:
            members = self._grid[cell]
            members.pop(incident_id, None)
            if not members:
                del self._grid[cell]


def _column_size_deg(row: int, row_size_deg: float) -> float:
    """Width of a row's cells: as many metres as they are high, at the row's edge farther from the equator."""
    latitude_deg = max(abs(row), abs(row + 1)) * row_size_deg
    return row_size_deg / max(cos(radians(min(latitude_deg, 89.9))), 1e-3)
