"""Geometry of an imported map, ready to be asked: houses along a street, a street's shape, what is nearest to a point.

Place in the flow: part of **locate**, under `routing.gazetteer`. Rules: what the map lacks is estimated only between or
beside what it has, and every estimate says how far it may be off. Nearest neighbours are sought on the unit sphere, never
in degrees. Source: OCC-1.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from math import asin, cos, hypot, radians, sin, sqrt
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import shapely
from scipy.spatial import cKDTree

from routing.address import house_numbers, spellings
from routing.columns import Ints
from routing.map_data import DEGREE, MapData

Degrees = npt.NDArray[np.float64]

EARTH_RADIUS_M: Final = 6_371_008.8
HOUSE_ACCURACY_M: Final = 15.0
SAME_HOUSE_M: Final = 150.0
"""Houses of one number within this are one plot mapped twice; farther apart nobody can tell which is meant."""
SAME_PLOT: Final = 0.95
"""Share left to `12` when `12/3` was asked, or the other way round."""
NUMBER_TWICE: Final = 0.92
"""Share of the score left to each of several houses of one number far apart."""
NEAREST_MAX_M: Final = 500.0
AT_THE_HOUSE_M: Final = 75.0
"""A point this near a house is at the house; farther off the street or corner says more."""
AT_THE_CORNER_M: Final = 40.0
CORNER_GAP_M: Final = 80.0
"""Two streets that come this near without a shared node (a bridge, a roundabout of its own name) still make a corner."""
NEIGHBOUR_NUMBERS: Final = 60
"""Between house numbers farther apart than this nothing is interpolated."""
BESIDE_NUMBERS: Final = 6
"""A house this many numbers beyond the last one known is placed at that one."""
_SAMPLE_M: Final = 40.0
_METRES_A_DEGREE: Final = 111_195.0


def distance_m(first: Sequence[float], second: Sequence[float]) -> float:
    """Great-circle distance of two points in units of 1e-7 degree."""
    a, b = radians(first[0] / DEGREE), radians(second[0] / DEGREE)
    half = sin((b - a) / 2) ** 2 + cos(a) * cos(b) * sin(radians((second[1] - first[1]) / DEGREE) / 2) ** 2
    return 2 * EARTH_RADIUS_M * asin(min(1.0, sqrt(half)))


class Placed(NamedTuple):
    """Where a house is or should be; `share` of the score its finding is worth."""

    number: str
    latitude_deg: float
    longitude_deg: float
    accuracy_m: float
    share: float


class HouseIndex:
    """Houses by street and number."""

    def __init__(self, map_data: MapData) -> None:
        self._map = map_data
        self._rows: dict[tuple[int, str], list[int]] = {}
        by_street: dict[int, list[tuple[int, int]]] = {}
        known: dict[str, list[tuple[str, int]]] = {}  # a city has far more houses than house numbers
        for row, (street, number) in enumerate(zip(map_data.house_street.tolist(), map_data.house_number, strict=True)):
            keys = known.get(number)
            if keys is None:
                keys = known[number] = [(key, _base(key)) for key in house_numbers(number)]
            for key, base in keys:
                self._rows.setdefault((street, key), []).append(row)
                by_street.setdefault(street, []).append((base, row))
        self._sorted = {street: sorted(numbers) for street, numbers in by_street.items()}

    def place(self, street: int, key: str) -> list[Placed]:
        """The house of a canonical number on a street: itself, its neighbour of the same base number, or an estimate.

        Several only where the map has that number more than once, far apart; none where nothing near is known.
        """
        rows = self._rows.get((street, key))
        if rows is not None:
            if len(rows) == 1:
                return [self._at(rows, self._map.house_number[rows[0]], HOUSE_ACCURACY_M, 1.0)]
            apart = self._apart(rows)
            if len(apart) == 1:
                return [self._at(rows, self._map.house_number[rows[0]], HOUSE_ACCURACY_M, 1.0)]
            # Nobody said which: each may be as wrong as the farthest of the others.
            first = self._map.house_points[apart[0][0]].tolist()
            doubt_m = max(distance_m(first, self._map.house_points[group[0]].tolist()) for group in apart[1:])
            return [self._at(group, self._map.house_number[group[0]], doubt_m, NUMBER_TWICE) for group in apart]
        numbers = self._sorted.get(street)
        if numbers is None:
            return []
        base = _base(key)
        at = bisect_left(numbers, (base, -1))
        same = [row for number, row in numbers[at : at + 8] if number == base]
        if same:
            # `12/3` or `12б` where only `12` is known, or the other way round: the same plot.
            return [self._at(group, key, 3 * HOUSE_ACCURACY_M, SAME_PLOT) for group in self._apart(same)]
        return self._between(numbers, base, key)

    def _apart(self, rows: list[int]) -> list[list[int]]:
        """The rows in groups of houses near one another."""
        groups: list[list[int]] = []
        for row in rows:
            here = self._map.house_points[row].tolist()
            for group in groups:
                if distance_m(here, self._map.house_points[group[0]].tolist()) <= SAME_HOUSE_M:
                    group.append(row)
                    break
            else:
                groups.append([row])
        return groups

    def _at(self, rows: list[int], number: str, accuracy_m: float, share: float) -> Placed:
        """Middle of the houses' points; of one number mapped twice the accuracy covers both."""
        if len(rows) == 1:
            latitude, longitude = self._map.house_points[rows[0]].tolist()
            return Placed(number, latitude / DEGREE, longitude / DEGREE, accuracy_m, share)
        points = self._map.house_points[rows].tolist()
        latitude = sum(point[0] for point in points) / len(points)
        longitude = sum(point[1] for point in points) / len(points)
        accuracy_m = max(accuracy_m, *(distance_m((latitude, longitude), point) for point in points))
        return Placed(number, latitude / DEGREE, longitude / DEGREE, accuracy_m, share)

    def _between(self, numbers: list[tuple[int, int]], base: int, key: str) -> list[Placed]:
        side = [item for item in numbers if item[0] % 2 == base % 2] or numbers  # odd and even face each other
        at = bisect_left(side, (base, -1))
        below = side[at - 1] if at else None
        above = side[at] if at < len(side) else None
        if below is not None and above is not None and above[0] - below[0] <= NEIGHBOUR_NUMBERS:
            low, high = self._map.house_points[below[1]].tolist(), self._map.house_points[above[1]].tolist()
            share = (base - below[0]) / (above[0] - below[0])
            latitude, longitude = (low[axis] + share * (high[axis] - low[axis]) for axis in (0, 1))
            accuracy_m = max(2 * HOUSE_ACCURACY_M, distance_m(low, high) / 2)
            return [Placed(key, latitude / DEGREE, longitude / DEGREE, accuracy_m, 0.9)]
        near = [item for item in (below, above) if item is not None and abs(item[0] - base) <= BESIDE_NUMBERS]
        if not near:
            return []
        number, row = min(near, key=lambda item: abs(item[0] - base))
        return [self._at([row], key, 2 * HOUSE_ACCURACY_M * (1 + abs(number - base)), 0.85)]


def _base(key: str) -> int:
    digits = 0
    while digits < len(key) and key[digits].isdecimal():
        digits += 1
    return int(key[: min(digits, 9)])


class StreetShapes:
    """Where streets lie: their middles, and where two come together."""

    def __init__(self, map_data: MapData) -> None:
        self._map = map_data
        self._lines: dict[int, list[int]] = {}
        for line, street in enumerate(map_data.line_street.tolist()):
            self._lines.setdefault(street, []).append(line)
        self._houses: dict[int, list[int]] = {}
        for row, street in enumerate(map_data.house_street.tolist()):
            if street not in self._lines:
                self._houses.setdefault(street, []).append(row)
        self._middles: dict[int, tuple[float, float, float]] = {}

    def middle(self, street: int) -> tuple[float, float, float]:
        """Latitude, longitude of the street's own point nearest to its middle, and half its length in metres."""
        known = self._middles.get(street)
        if known is None:
            points = self._points(street)
            low, high = points.min(axis=0).tolist(), points.max(axis=0).tolist()
            middle = ((low[0] + high[0]) // 2, (low[1] + high[1]) // 2)
            nearest = _nearest_on(self._segments(street), np.array(middle, np.float64))
            half_m = max(HOUSE_ACCURACY_M, distance_m(low, high) / 2 + distance_m(middle, nearest))
            known = self._middles[street] = (nearest[0] / DEGREE, nearest[1] / DEGREE, half_m)
        return known

    def _segments(self, street: int) -> npt.NDArray[np.float64]:
        """Beginnings and ends of the street's segments, `(n, 2, 2)`; without lines its houses, as segments of no length."""
        lines = self._lines.get(street)
        if lines is None:
            points = self._points(street)
            return np.stack((points, points), axis=1).astype(np.float64)
        start = self._map.line_start
        parts = [self._map.line_points[start[line] : start[line + 1]] for line in lines]
        return np.concatenate([np.stack((part[:-1], part[1:]), axis=1) for part in parts]).astype(np.float64)

    def approach(self, first: int, second: int) -> tuple[float, float, float] | None:
        """Where two streets come nearest to each other and how near, in metres; None when farther than `CORNER_GAP_M`."""
        if first not in self._lines or second not in self._lines:
            return None
        latitude = int(self._points(first)[0, 0])
        shapes = [self._shape(street, latitude) for street in (first, second)]
        (x1, y1), (x2, y2) = shapely.get_coordinates(shapely.shortest_line(*shapes)).tolist()
        gap_m = hypot(x2 - x1, y2 - y1)
        if gap_m > CORNER_GAP_M:
            return None
        scale = cos(radians(latitude / DEGREE)) * _METRES_A_DEGREE
        return (y1 + y2) / 2 / _METRES_A_DEGREE, (x1 + x2) / 2 / scale, gap_m

    def _shape(self, street: int, latitude: int) -> shapely.Geometry:
        """The street's lines in metres on a plane true near the latitude."""
        scale = cos(radians(latitude / DEGREE))
        start = self._map.line_start
        parts = [self._map.line_points[start[line] : start[line + 1]] for line in self._lines[street]]
        metres = [points[:, ::-1] / DEGREE * _METRES_A_DEGREE * (scale, 1.0) for points in parts]
        return shapely.MultiLineString([points for points in metres if len(points) > 1])

    def _points(self, street: int) -> Ints:
        lines = self._lines.get(street)
        if lines is None:
            return self._map.house_points[self._houses[street]]
        start = self._map.line_start
        return np.concatenate([self._map.line_points[start[line] : start[line + 1]] for line in lines])


def _nearest_on(segments: npt.NDArray[np.float64], point: npt.NDArray[np.float64]) -> list[float]:
    """The point on any of the segments that is nearest to a point, all in map units."""
    narrow = np.array((1.0, cos(radians(point[0] / DEGREE))))
    begin, step = (segments[:, 0] - point) * narrow, (segments[:, 1] - segments[:, 0]) * narrow
    square = np.maximum((step**2).sum(axis=1), 1e-9)
    share = np.clip(-(begin * step).sum(axis=1) / square, 0.0, 1.0)
    foot = begin + step * share[:, None]
    best = int(np.argmin((foot**2).sum(axis=1)))
    nearest: list[float] = (point + foot[best] / narrow).tolist()
    return nearest


class PointIndex:
    """What is nearest to a point: k-d trees over houses, corners and points along streets."""

    def __init__(self, map_data: MapData) -> None:
        self._map = map_data
        self.display: list[str] = [spellings(names[0])[0] for names in map_data.street_names]
        """Each street's name for a person to read."""
        points, self._street_of = _samples(map_data)
        self._houses = _tree(map_data.house_points)
        self._corners = _tree(map_data.corner_points)
        self._samples = _tree(points)

    def describe(self, latitude_deg: Degrees, longitude_deg: Degrees) -> list[str]:
        """The house, corner or street nearest to each point, in words; `""` where none lies within `NEAREST_MAX_M`.

        Args:
            latitude_deg: float64 `(n,)`, WGS 84; a NaN is near nothing.
            longitude_deg: the same.
        """
        said = [""] * len(latitude_deg)
        known = np.flatnonzero(np.isfinite(latitude_deg) & np.isfinite(longitude_deg))
        if not len(known):
            return said
        here = _unit(np.column_stack((latitude_deg[known], longitude_deg[known])))
        house_m, house = _ask(self._houses, here)
        is_far = house_m > AT_THE_HOUSE_M
        for at, row in zip(known[~is_far].tolist(), house[~is_far].tolist(), strict=True):
            said[at] = self._house(row)
        # Asking a tree costs as much as a dozen of its answers: most points are at a house, and then no other is asked.
        if is_far.any():
            columns = [house_m[is_far], house[is_far], *_ask(self._corners, here[is_far]), *_ask(self._samples, here[is_far])]
            for at, *apart in zip(known[is_far].tolist(), *(column.tolist() for column in columns), strict=True):
                said[at] = self._far_from_houses(*apart)
        return said

    def _far_from_houses(self, house_m: float, house: int, corner_m: float, corner: int, street_m: float, sample: int) -> str:
        if corner_m <= AT_THE_CORNER_M:
            first, second = self._map.corner_streets[corner].tolist()
            return f"{self.display[first]} / {self.display[second]}"
        if street_m < min(house_m, NEAREST_MAX_M):
            street: str = self.display[self._street_of[sample]]
            return street
        return self._house(house) if house_m <= NEAREST_MAX_M else ""

    def _house(self, row: int) -> str:
        return f"{self.display[self._map.house_street[row]]}, {self._map.house_number[row]}"


def _samples(map_data: MapData) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int32]]:
    """Points along all lines no farther apart than `_SAMPLE_M`, in map units `(n, 2)`, and the street of each."""
    points = map_data.line_points.astype(np.float64)
    street = np.repeat(map_data.line_street, np.diff(map_data.line_start))
    inside = np.ones(max(len(points) - 1, 0), bool)
    inside[map_data.line_start[1:-1] - 1] = False  # from the last point of a line to the first of the next is no segment
    start, step = points[:-1][inside], np.diff(points, axis=0)[inside]
    metres = np.hypot(step[:, 0], step[:, 1] * np.cos(np.radians(start[:, 0] / DEGREE))) / DEGREE * _METRES_A_DEGREE
    extra = np.minimum(metres // _SAMPLE_M, 10_000).astype(np.int64)
    which = np.repeat(np.arange(len(start)), extra)
    rank = np.arange(len(which)) - np.repeat(np.cumsum(extra) - extra, extra) + 1
    between = start[which] + step[which] * (rank / (extra[which] + 1))[:, None]
    return np.concatenate([points, between]), np.concatenate([street, street[:-1][inside][which]])


def _unit(degrees: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Latitude and longitude `(n, 2)` in degrees → points of the unit sphere `(n, 3)`."""
    latitude, longitude = np.radians(degrees[:, 0]), np.radians(degrees[:, 1])
    return np.column_stack((np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)))


def _tree(points: Ints | npt.NDArray[np.float64]) -> cKDTree | None:
    return cKDTree(_unit(points / DEGREE)) if len(points) else None


def _ask(tree: cKDTree | None, here: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Metres to each point's nearest neighbour and its row; infinite where none lies within `NEAREST_MAX_M`."""
    if tree is None:
        return np.full(len(here), np.inf), np.zeros(len(here), np.int64)
    chord, row = tree.query(here, distance_upper_bound=NEAREST_MAX_M / EARTH_RADIUS_M)
    return np.where(np.isfinite(chord), 2 * EARTH_RADIUS_M * np.arcsin(np.minimum(chord, 2.0) / 2), np.inf), np.asarray(
        row, np.int64
    )
