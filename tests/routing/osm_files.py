"""Small OSM files made by code, for the tests of the import and of what answers from it.

The town: streets are straight lines, a node every 0.001 degree, so that everything's place is known. Абая runs east along
latitude 43.25 from 76.90 to 76.95; Сейфуллина runs north along longitude 76.92 from 43.23 to 43.27.
"""

from __future__ import annotations

from pathlib import Path

import osmium

Tags = dict[str, str]


class OsmFile:
    """Nodes, ways and relations to be written to one file; ids are given here."""

    def __init__(self) -> None:
        self._nodes: list[tuple[int, float, float, Tags]] = []
        self._ways: list[tuple[int, list[int], Tags]] = []
        self._relations: list[tuple[int, list[tuple[str, int, str]], Tags]] = []
        self._at: dict[tuple[float, float], int] = {}

    def node(self, latitude_deg: float, longitude_deg: float, **tags: str) -> int:
        """Adds a node with tags (`addr__street` for `addr:street`), or gives the bare one that is there already."""
        place = round(latitude_deg, 6), round(longitude_deg, 6)
        if not tags and place in self._at:
            return self._at[place]
        number = len(self._nodes) + 1
        self._nodes.append((number, *place, _keys(tags)))
        if not tags:
            self._at[place] = number
        return number

    def way(self, *places: tuple[float, float], **tags: str) -> int:
        """Adds a way through places; ways that share a place share its node."""
        return self.way_of([self.node(*place) for place in places], **tags)

    def way_of(self, nodes: list[int], **tags: str) -> int:
        """Adds a way of nodes by id, which need not exist."""
        number = len(self._ways) + 1
        self._ways.append((number, nodes, _keys(tags)))
        return number

    def square(self, south: float, west: float, size: float, **tags: str) -> int:
        """Adds a closed square way."""
        north, east = south + size, west + size
        return self.way((south, west), (south, east), (north, east), (north, west), (south, west), **tags)

    def relation(self, *members: tuple[int, str], **tags: str) -> int:
        """Adds a relation of ways and their roles."""
        number = len(self._relations) + 1
        self._relations.append((number, [("w", way, role) for way, role in members], _keys(tags)))
        return number

    def write(self, path: Path) -> Path:
        """Writes the file in the order OSM files have, and gives its path."""
        with osmium.SimpleWriter(path) as writer:
            for number, latitude, longitude, tags in self._nodes:
                writer.add_node(osmium.osm.mutable.Node(id=number, location=(longitude, latitude), tags=tags, version=1))
            for number, nodes, tags in self._ways:
                writer.add_way(osmium.osm.mutable.Way(id=number, nodes=nodes, tags=tags, version=1))
            for number, members, tags in self._relations:
                writer.add_relation(osmium.osm.mutable.Relation(id=number, members=members, tags=tags, version=1))
        return path


def _keys(tags: Tags) -> Tags:
    return {key.replace("__", ":"): value for key, value in tags.items()}


def town() -> OsmFile:
    """The town of the module's docstring with houses, institutions, a microdistrict and boundaries."""
    file = OsmFile()
    along = [(43.25, 76.90 + step / 1000) for step in range(51)]
    file.way(*along[:26], highway="primary", name="проспект Абая", name__kk="Абай даңғылы", name__en="Abay Avenue")
    file.way(*along[25:], highway="primary", name="пр. Абая", old_name="ул. Арычная")
    north = [(43.23 + step / 1000, 76.92) for step in range(41)]
    file.way(*north, highway="secondary", name="ул. Сейфуллина", name__kk="Сейфуллин көшесі")
    file.way((43.26, 76.90), (43.26, 76.92), (43.26, 76.95), highway="residential", name="улица 8 Марта")
    file.way((43.24, 76.90), (43.24, 76.9195), highway="residential", name="Тихий переулок")  # ends 40 m before Сейфуллина
    file.way((43.50, 76.90), (43.50, 76.91), highway="residential", name="ул. Абая")  # of a village 28 km away
    file.way((43.27, 76.90), (43.27, 76.95), highway="footway")
    file.way((43.28, 76.90), (43.28, 76.91), highway="service", name="проезд")
    for number, longitude in (
        ("2", 76.901),
        ("10", 76.905),
        ("12", 76.906),
        ("12/3", 76.9062),
        ("20А", 76.910),
        ("40", 76.930),
    ):
        file.node(43.2503, longitude, addr__street="пр. Абая", addr__housenumber=number)
    file.square(43.2496, 76.9070, 0.0002, building="yes", addr__street="Абай даңғылы", addr__housenumber="15")
    ring = file.square(43.2490, 76.9090, 0.0004)
    file.relation(
        (ring, "outer"), type="multipolygon", building="yes", addr__street="проспект Абая", addr__housenumber="17 корп. 2"
    )
    file.node(43.2601, 76.905, addr__street="8 Марта", addr__housenumber="5")
    file.node(43.2302, 76.9203, addr__housenumber="77")  # names no street; Сейфуллина is 25 m away
    file.node(43.30, 76.80, addr__housenumber="1")  # far from all streets
    file.node(43.265, 76.935, addr__street="мкр. Самал-2", addr__housenumber="58")
    file.node(43.266, 76.936, addr__place="мкр. Самал-2", addr__housenumber="60")
    file.node(43.255, 76.925, amenity="police", name="Отдел полиции №3")
    file.node(43.235, 76.925, amenity="police")
    file.square(43.256, 76.930, 0.002, amenity="hospital", name="Городская больница №7", name__kk="№7 қалалық аурухана")
    file.node(43.257, 76.915, amenity="school", name="№ 120")
    file.node(43.245, 76.915, amenity="school", name="№ 121")
    file.node(43.245, 76.945, shop="yes", name="Рахат")
    file.node(43.25, 76.92, place="city", name="Алматы", name__en="Almaty")
    file.node(43.50, 76.905, place="village", name="Енбекши")
    city = [
        file.way((43.20, 76.85), (43.20, 77.00), (43.30, 77.00)),
        file.way((43.30, 77.00), (43.30, 76.85), (43.20, 76.85)),
    ]
    hole = file.square(43.21, 76.86, 0.005)
    file.relation(
        (city[0], "outer"), (city[1], "outer"), (hole, "inner"), type="boundary", boundary="administrative", admin_level="4",
        name="Алматы", name__en="Almaty", name__kk="Алматы",
    )  # fmt: skip
    half = file.way((43.20, 76.85), (43.20, 76.92), (43.30, 76.92), (43.30, 76.85), (43.20, 76.85))
    file.relation(
        (half, "outer"), type="boundary", boundary="administrative", admin_level="6", name="Медеуский район",
        name__kk="Медеу ауданы", name__en="Medeu District",
    )  # fmt: skip
    return file


def broken_town() -> OsmFile:
    """The town with what extracts really hold: ways cut off, relations without members, boundaries that do not close."""
    file = town()
    file.way_of([900_001, 900_002, 900_003], highway="residential", name="ул. Отрезанная")
    open_line = file.way((43.0, 76.0), (43.0, 76.1), (43.1, 76.1))
    file.relation((open_line, "outer"), type="boundary", boundary="administrative", name="Не замкнутый район")
    file.relation((open_line, "outer"), (900_004, "outer"), type="boundary", boundary="administrative", name="Обрезанный район")
    file.relation((900_005, "outer"), type="multipolygon", amenity="hospital", name="Больница без контура")
    file.relation(type="multipolygon", building="yes", addr__housenumber="3")
    file.way((43.2, 76.2), (43.2, 76.2), (43.2, 76.2), (43.2, 76.2), place="village", name="Точка")
    return file
