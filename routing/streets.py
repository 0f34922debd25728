"""Makes streets of a map's ways: groups ways into streets, gives houses to streets, finds corners.

Place in the flow: the second half of an import, after `routing.osm` has read the file. Rules: ways are one street when
their names have one key and one type and they lie within `SAME_STREET_GAP_M` of each other (a village has its own Абая); a
house belongs to the nearest street of its `addr:street` name; a house whose street no way bears (a microdistrict) makes a
street without lines; a house without a street name belongs to the nearest street within `UNNAMED_HOUSE_M`, as Nominatim
does it. A corner is a node that ways of two streets share. Source: OCC-1.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from routing.address import Reading, name_reading, read_words, spellings
from routing.columns import Ints
from routing.map_data import DEGREE, Boundary, MapData
from routing.road_graph import RoadWay, road_graph_of

SAME_STREET_GAP_M: Final = 2_000.0
HOUSE_TO_STREET_M: Final = 1_500.0
UNNAMED_HOUSE_M: Final = 100.0
SAME_CORNER_M: Final = 120.0
"""Nodes of one crossing of two dual carriageways lie this near each other at most."""
RAMP: Final = "ramp"
"""Type given to a way named after where it leads (`на пр. Сейфуллина`)."""
_METRES_A_DEGREE: Final = 111_195.0


class NamedWay(NamedTuple):
    """A way that bears a name."""

    names: list[str]
    old_names: list[str]
    node_ids: list[int]
    points: Ints


class RawHouse(NamedTuple):
    """A house as the map file has it; `street` may be empty."""

    street: str
    number: str
    latitude: int
    longitude: int


class RawPlace(NamedTuple):
    """A place as the map file has it; `names` is `[""]` for one without a name."""

    names: list[str]
    kind: str
    latitude: int
    longitude: int
    extent_m: float


class _Group(NamedTuple):
    """Ways or houses with one name key."""

    key: str
    type: str


class _Streets:
    """Streets in the making."""

    def __init__(self) -> None:
        self.names: list[Counter[str]] = []
        self.old_names: list[dict[str, None]] = []
        self.types: list[str] = []
        self.lines: list[list[Ints]] = []
        self.by_key: dict[str, list[int]] = defaultdict(list)

    def add(self, street_type: str) -> int:
        self.names.append(Counter())
        self.old_names.append({})
        self.types.append(street_type)
        self.lines.append([])
        return len(self.types) - 1

    def name(self, street: int, names: list[str], old_names: list[str]) -> None:
        """Counts a way's names towards the street's, and makes it known under each."""
        self.names[street].update(names)
        self.old_names[street].update(dict.fromkeys(old_names))
        for name in names:
            for spelling in spellings(name):
                known = self.by_key[_key(spelling).key]
                if street not in known:
                    known.append(street)


def assemble(
    source: str,
    ways: list[NamedWay],
    houses: list[RawHouse],
    places: list[RawPlace],
    boundaries: list[Boundary],
    skipped: dict[str, int],
    roads: Sequence[RoadWay] = (),
) -> MapData:
    """The map of what a file held.

    Args:
        source: the file's name.
        skipped: reason → count of what was passed over; added to.
        roads: the ways that vehicles drive on.
    """
    streets = _Streets()
    way_street = _group_ways(streets, ways, skipped)
    house_street = _give_houses(streets, houses, skipped)
    corner_streets, corner_points = _corners(ways, way_street)
    line_street = [street for street, lines in enumerate(streets.lines) for _ in lines]
    lines = [line for lines in streets.lines for line in lines]
    kept = [at for at, street in enumerate(house_street) if street >= 0]
    return MapData(
        source=source,
        street_names=[[name for name, _ in names.most_common()] for names in streets.names],
        street_old_names=[list(names) for names in streets.old_names],
        line_street=np.array(line_street, np.int32),
        line_start=np.cumsum([0, *(len(line) for line in lines)], dtype=np.int32),
        line_points=np.concatenate(lines) if lines else np.zeros((0, 2), np.int32),
        house_street=np.array([house_street[at] for at in kept], np.int32),
        house_number=[houses[at].number for at in kept],
        house_points=np.array([(houses[at].latitude, houses[at].longitude) for at in kept], np.int32).reshape(-1, 2),
        corner_streets=corner_streets,
        corner_points=corner_points,
        place_names=[place.names for place in places],
        place_kind=[place.kind for place in places],
        place_points=np.array([(place.latitude, place.longitude) for place in places], np.int32).reshape(-1, 2),
        place_extent_m=np.array([place.extent_m for place in places], np.float32),
        boundaries=boundaries,
        skipped=skipped,
        roads=road_graph_of(roads, skipped),
    )


def _key(name: str) -> Reading:
    return name_reading(read_words(name))


def _group_of(name: str) -> _Group:
    reading = _key(spellings(name)[0])
    return _Group(reading.key, "" if reading.type == "street" else reading.type)


def _local(points: Ints, latitude: float) -> npt.NDArray[np.float64]:
    """Metres east and north on a plane that is true near the latitude (in map units)."""
    metres = points[:, ::-1] / DEGREE * _METRES_A_DEGREE
    metres[:, 0] *= np.cos(np.radians(latitude / DEGREE))
    return metres


def _clusters(shapes: list[Ints], gap_m: float) -> list[int]:
    """Number of the cluster each shape is in; shapes within the gap of one another, in chains, are one cluster."""
    if len(shapes) == 1:
        return [0]
    latitude = float(np.mean([shape[0, 0] for shape in shapes]))
    geometry = [_geometry(shape, latitude) for shape in shapes]
    pairs = shapely.STRtree(geometry).query(geometry, predicate="dwithin", distance=gap_m)
    graph = coo_array((np.ones(pairs.shape[1], np.int8), (pairs[0], pairs[1])), shape=(len(shapes), len(shapes)))
    labels: list[int] = connected_components(graph, directed=False)[1].tolist()
    return labels


def _geometry(points: Ints, latitude: float) -> shapely.Geometry:
    local = _local(points, latitude)
    return shapely.LineString(local) if len(local) > 1 else shapely.Point(local[0])


def _group_ways(streets: _Streets, ways: list[NamedWay], skipped: dict[str, int]) -> list[int]:
    """Makes the streets; gives each way's street, -1 for a way whose name says nothing."""
    groups: dict[_Group, list[int]] = defaultdict(list)
    for at, way in enumerate(ways):
        group = _group_of(way.names[0])
        if group.key and way.names[0].lower().startswith("на "):
            group = _Group(group.key, RAMP)
        if group.key:
            groups[group].append(at)
        else:
            skipped["street name without a word"] = skipped.get("street name without a word", 0) + 1
    way_street = [-1] * len(ways)
    keys = Counter(group.key for group in groups)
    for group, members in groups.items():
        if group.type == RAMP and keys[group.key] > 1:
            continue  # the street itself is on the map
        labels = _clusters([ways[at].points for at in members], SAME_STREET_GAP_M)
        made: dict[int, int] = {}
        for at, label in zip(members, labels, strict=True):
            if label not in made:
                made[label] = streets.add("" if group.type == RAMP else group.type)
            street = made[label]
            way_street[at] = street
            streets.lines[street].append(ways[at].points)
            streets.name(street, ways[at].names, ways[at].old_names)
    return way_street


def _give_houses(streets: _Streets, houses: list[RawHouse], skipped: dict[str, int]) -> list[int]:
    """The street of each house, -1 for none near enough."""
    given = [-1] * len(houses)
    homeless: dict[_Group, list[int]] = defaultdict(list)
    unnamed: list[int] = []
    shapes: dict[tuple[int, int], shapely.Geometry] = {}
    for at, house in enumerate(houses):
        group = _group_of(house.street) if house.street else _Group("", "")
        if not group.key:
            unnamed.append(at)
            continue
        near = _nearest(streets, streets.by_key.get(group.key, []), group.type, house, shapes)
        given[at] = near
        if near < 0:
            homeless[group].append(at)
    for group, members in homeless.items():
        points = [np.array([(houses[at].latitude, houses[at].longitude)], np.int32) for at in members]
        made: dict[int, int] = {}
        for at, label in zip(members, _clusters(points, SAME_STREET_GAP_M), strict=True):
            if label not in made:
                made[label] = streets.add(group.type)
            given[at] = made[label]
            streets.name(made[label], [houses[at].street], [])
    for at, street in zip(unnamed, _nearest_any(streets, [houses[at] for at in unnamed]), strict=True):
        given[at] = street
        if street < 0:
            skipped["house without a street"] = skipped.get("house without a street", 0) + 1
    return given


def _nearest(
    streets: _Streets, candidates: list[int], street_type: str, house: RawHouse, shapes: dict[tuple[int, int], shapely.Geometry]
) -> int:
    """The candidate nearest to the house, of the said type where several are near; -1 when none is near enough."""
    if not candidates:
        return -1
    zone = house.latitude // DEGREE  # a plane a degree of latitude is true enough for choosing
    latitude = (zone + 0.5) * DEGREE
    point = _geometry(np.array([(house.latitude, house.longitude)], np.int32), latitude)
    best = (np.inf, -1)
    for street in candidates:
        shape = shapes.get((street, zone))
        if shape is None:
            shape = shapely.union_all([_geometry(line, latitude) for line in streets.lines[street]])
            shapely.prepare(shape)
            shapes[street, zone] = shape
        distance = float(shapely.distance(shape, point))
        if distance <= HOUSE_TO_STREET_M:
            best = min(best, (distance + (0.0 if streets.types[street] == street_type else 300.0), street))
    return best[1]


def _nearest_any(streets: _Streets, houses: list[RawHouse]) -> list[int]:
    """The street nearest to each house within `UNNAMED_HOUSE_M`, -1 for none."""
    lines = [(line, street) for street, lines in enumerate(streets.lines) for line in lines]
    if not lines or not houses:
        return [-1] * len(houses)
    latitude = float(np.mean([house.latitude for house in houses]))
    tree = shapely.STRtree([_geometry(line, latitude) for line, _ in lines])
    points = [_geometry(np.array([(house.latitude, house.longitude)], np.int32), latitude) for house in houses]
    asked, nearest = tree.query_nearest(points, max_distance=UNNAMED_HOUSE_M, all_matches=False)
    given = [-1] * len(houses)
    for house, line in zip(asked.tolist(), nearest.tolist(), strict=True):
        given[house] = lines[line][1]
    return given


def _corners(ways: list[NamedWay], way_street: list[int]) -> tuple[Ints, Ints]:
    """Pairs of streets and the points where they meet, the nodes of one crossing taken together."""
    at_node: dict[int, dict[int, tuple[int, int]]] = defaultdict(dict)
    for way, street in zip(ways, way_street, strict=True):
        if street >= 0:
            for node, point in zip(way.node_ids, way.points.tolist(), strict=True):
                at_node[node][street] = (point[0], point[1])
    meetings: dict[tuple[int, int], set[tuple[int, int]]] = defaultdict(set)
    for here in at_node.values():
        if len(here) > 1:
            met = sorted(here)
            for at, first in enumerate(met):
                for second in met[at + 1 :]:
                    meetings[first, second].add(here[first])
    pairs, points = [], []
    for pair, where in sorted(meetings.items()):
        nodes = np.array(sorted(where), np.int32)
        labels = np.array(_clusters([node[None] for node in nodes], SAME_CORNER_M))
        for label in np.unique(labels):
            pairs.append(pair)
            points.append(np.rint(nodes[labels == label].mean(axis=0, dtype=np.float64)).astype(np.int32))
    return np.array(pairs, np.int32).reshape(-1, 2), np.array(points, np.int32).reshape(-1, 2)
