"""The roads of a map as data: stretches between junctions, with their shapes, speeds and directions, in columns.

Place in the flow: `routing.osm` collects the ways a vehicle may use, `road_graph_of` joins them, the stored map carries the
columns (`routing.map_data`), `routing.road_times` answers from them. Requirement: OCC-4.

Rules: a *road* is a stretch from one junction to the next, where a junction is a node that ways share or end at; its shape is
for finding it, its length and speed for driving it. Only the largest part of the network is kept in which everything can be
reached from everywhere: from a yard that the map has not joined to any street, the nearest street is what is driven on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from routing.columns import Column, Ints, integers, pack
from routing.geodesy import Flags
from routing.road_tags import Direction, Drivable


class RoadWay(NamedTuple):
    """A way that vehicles drive on, as the map file has it."""

    node_ids: npt.NDArray[np.int64]
    points: Ints
    """Latitude and longitude of each node in units of 1e-7 degree."""
    driven: Drivable


class RoadGraph(msgspec.Struct, frozen=True, eq=False):
    """Roads by index, junctions by number from 0."""

    road_from: Ints
    road_to: Ints
    """Junctions at which a road begins and ends; both may be the same."""
    road_oneway: Ints
    """1 where it is driven from its beginning to its end only, else 0."""
    road_speed_kmh: Ints
    road_start: Ints
    """The shape of road `i` is `road_points[road_start[i]:road_start[i + 1]]`; one longer than `road_from`."""
    road_points: Ints
    """Shape (n, 2), latitude and longitude in units of 1e-7 degree."""

    def __len__(self) -> int:
        """How many roads there are."""
        return len(self.road_from)

    @property
    def junctions(self) -> int:
        """How many junctions there are."""
        return 0 if not len(self) else 1 + int(max(self.road_from.max(), self.road_to.max()))

    def columns(self) -> dict[str, Column]:
        """The form in which a map is stored; `StoredRoads.roads` gives it back."""
        return {name: pack(getattr(self, name)) for name in self.__struct_fields__}

    def is_whole(self) -> bool:
        """Whether the columns belong together, so that nothing can index past an end."""
        count = len(self.road_from)
        return (
            len(self.road_to) == len(self.road_oneway) == len(self.road_speed_kmh) == count
            and len(self.road_start) == count + 1
            and int(self.road_start[0]) == 0
            and bool(np.all(np.diff(self.road_start) >= 2))
            and self.road_points.ndim == 2
            and self.road_points.shape == (int(self.road_start[-1]), 2)
            and (not count or min(self.road_from.min(), self.road_to.min()) >= 0)
            and bool(np.all(self.road_speed_kmh > 0))
            and bool(np.all((self.road_oneway == 0) | (self.road_oneway == 1)))
        )


class StoredRoads(msgspec.Struct, frozen=True):
    """A `RoadGraph` as it is stored."""

    road_from: Column
    road_to: Column
    road_oneway: Column
    road_speed_kmh: Column
    road_start: Column
    road_points: Column

    def roads(self) -> RoadGraph:
        """The graph. Raises `ValueError` where a column's bytes do not have its shape."""
        return RoadGraph(*(integers(getattr(self, name)) for name in self.__struct_fields__))


_NONE: Final[Ints] = np.zeros(0, np.int32)
NO_ROADS: Final = RoadGraph(_NONE, _NONE, _NONE, _NONE, np.zeros(1, np.int32), np.zeros((0, 2), np.int32))


def road_graph_of(ways: Sequence[RoadWay], skipped: dict[str, int]) -> RoadGraph:
    """The roads of ways, cut at junctions, as far as each can be reached from each.

    Args:
        ways: each of two nodes or more; ways that share a node meet there.
        skipped: reason → count of what was passed over; added to.

    Complexity: O(n log n) in the ways' nodes.
    """
    if not ways:
        return NO_ROADS
    oriented = [way if way.driven.direction is not Direction.AGAINST else _turned(way) for way in ways]
    node_ids = np.concatenate([way.node_ids for way in oriented])
    points = np.concatenate([way.points for way in oriented])
    way_of = np.repeat(np.arange(len(oriented)), [len(way.node_ids) for way in oriented])
    # A node twice running is one place, not a road.
    kept = np.append(True, (node_ids[1:] != node_ids[:-1]) | (way_of[1:] != way_of[:-1]))
    node_ids, points, way_of = node_ids[kept], points[kept], way_of[kept]
    _, nodes, times = np.unique(node_ids, return_inverse=True, return_counts=True)
    edges = way_of[1:] != way_of[:-1]
    cuts = np.flatnonzero((times[nodes] > 1) | np.append(True, edges) | np.append(edges, True))
    inside = way_of[cuts[:-1]] == way_of[cuts[1:]]
    first, last = cuts[:-1][inside], cuts[1:][inside]
    oneway = np.array([way.driven.direction is not Direction.BOTH for way in oriented])[way_of[first]]
    joined = _joined(nodes[first], nodes[last], oneway)
    if not joined.all():
        skipped["road apart from the others"] = int(np.count_nonzero(~joined))
    first, last = first[joined], last[joined]
    _, ends = np.unique(np.concatenate((nodes[first], nodes[last])), return_inverse=True)
    speeds_kmh = np.array([way.driven.speed_kmh for way in oriented], np.int32)
    shapes = [points[start : end + 1] for start, end in zip(first.tolist(), last.tolist(), strict=True)]
    return RoadGraph(
        road_from=ends[: len(first)].astype(np.int32),
        road_to=ends[len(first) :].astype(np.int32),
        road_oneway=oneway[joined].astype(np.int32),
        road_speed_kmh=speeds_kmh[way_of[first]],
        road_start=np.cumsum(np.append(0, last - first + 1), dtype=np.int32),
        road_points=np.concatenate(shapes) if shapes else np.zeros((0, 2), np.int32),
    )


def _turned(way: RoadWay) -> RoadWay:
    return RoadWay(way.node_ids[::-1], way.points[::-1], way.driven)


def _joined(begins: npt.NDArray[np.int64], ends: npt.NDArray[np.int64], oneway: Flags) -> Flags:
    """Which roads lie in the largest part of the network where each junction can be reached from each."""
    if not len(begins):
        return np.zeros(0, np.bool_)
    both = ~oneway
    rows, columns = np.concatenate((begins, ends[both])), np.concatenate((ends, begins[both]))
    size = 1 + int(max(begins.max(), ends.max()))
    arcs = csr_array((np.ones(len(rows), np.int8), (rows, columns)), shape=(size, size))
    _, part = connected_components(arcs, connection="strong")
    # Counted by roads: a lone junction is a part too, and so is a node inside a road.
    within = part[begins] == part[ends]
    largest = int(np.bincount(part[begins][within]).argmax()) if within.any() else -1
    joined: Flags = within & (part[begins] == largest)
    return joined
