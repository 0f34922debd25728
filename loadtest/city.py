"""The simulated city: streets, houses, institutions, districts, cameras, panels, crews and subscribers, all drawn from one
seed.

Place in the flow: outside it. `loadtest.city_files` writes the city as the files that any real city would be imported from
(an OSM extract, territories, subscribers, devices), `loadtest.traffic` makes its calls and events, `loadtest.crews` drives
its crews.

Rules: the same arguments give the same city, on every machine. The plan is a street grid with bent streets inside a closed
ring road; a house stands on the street that its address names; a district is a union of whole blocks, so no house stands on a
border. Nothing here reads a clock or a file. Requirements: OCC-1, CITY-2, CITY-13, CITY-15.
"""

from __future__ import annotations

from itertools import pairwise
from math import cos, radians
from random import Random
from typing import Final, Literal

from loadtest.cadastre import (
    CrewProfile,
    Device,
    District,
    House,
    Institution,
    InstitutionKind,
    LineKind,
    Point,
    Street,
    Subscriber,
)
from loadtest.equipment import enlist_crews, hang_cameras, install_panels
from loadtest.names import DISTRICTS, NEIGHBOURHOODS, RING_ROAD, Name, person_name, street_name

BLOCK_M: Final = 260.0
"""Distance between neighbouring crossings."""
SET_BACK_M: Final = 24.0
"""From a street's axis to the middle of a house on it."""
BEND: Final = 0.12
"""How far a crossing may lie from its place in an exact grid, in blocks; less than half, so districts stay unions of blocks."""
METRES_A_DEGREE: Final = 111_195.0
"""Of latitude, on the sphere of 6,371,008.8 m."""
CENTRE_LATITUDE_DEG: Final = 47.20
CENTRE_LONGITUDE_DEG: Final = 71.40
"""The city lies in the steppe where no real street can be confused with one of its own."""
CITY_NAME: Final = Name("Алтынтау", "Алтынтау")
CITY_TERRITORY: Final = "kz/altyntau"

_INSTITUTIONS: Final[tuple[tuple[InstitutionKind, str, str], ...]] = (
    ("hospital", "№{n} қалалық аурухана", "Городская больница №{n}"),
    ("police", "№{n} полиция бөлімі", "Отдел полиции №{n}"),
    ("fire_station", "№{n} өрт сөндіру бөлімі", "Пожарная часть №{n}"),
    ("ambulance_station", "№{n} жедел жәрдем станциясы", "Станция скорой помощи №{n}"),
    ("school", "№{n} мектеп-гимназия", "Школа-гимназия №{n}"),
    ("school", "№{n} жалпы білім беретін мектеп", "Общеобразовательная школа №{n}"),
    ("fuel", "№{n} жанармай бекеті", "АЗС №{n}"),
    ("marketplace", "№{n} базар", "Рынок №{n}"),
    ("bank", "№{n} банк бөлімшесі", "Отделение банка №{n}"),
)
"""Every district has one of each."""

_LINES: Final[tuple[tuple[LineKind, int], ...]] = (
    ("landline", 34),
    ("payphone", 36),
    ("voip", 38),
    ("m2m", 40),
    ("mobile", 100),
)
"""Kind of line, and the cumulative share in per cent."""


class City:
    """A city of the given size; see the module's rules.

    Args:
        seed: everything is drawn from it.
        districts: 1 to 12.
        streets: at least 4; half of them run west–east, half south–north.
        crews, cameras, subscribers: how many of each; subscribers are made when asked for, so ten million cost no memory.
        panels: alarm panels, buttons, fire detectors and sensors together.
        houses_a_block: houses on each side of a block.

    Raises `ValueError` when `districts` or `streets` is out of range.
    """

    def __init__(
        self,
        seed: int,
        districts: int = 4,
        streets: int = 32,
        crews: int = 60,
        cameras: int = 200,
        subscribers: int = 20_000,
        panels: int = 120,
        houses_a_block: int = 2,
    ) -> None:
        if not 1 <= districts <= len(DISTRICTS):
            raise ValueError(f"districts must lie between 1 and {len(DISTRICTS)}, not {districts}")
        if streets < 4 or streets // 2 < districts:
            raise ValueError(f"{districts} districts need at least {max(4, 2 * districts)} streets, not {streets}")
        self.seed = seed
        self.rows = streets // 2
        """West–east streets, from the south."""
        self.columns = streets - self.rows
        """South–north streets, from the west."""
        self.subscriber_count = subscribers
        rng = Random(f"city/{seed}")
        self.crossings: list[Point] = [
            self._point(column + rng.uniform(-BEND, BEND), row + rng.uniform(-BEND, BEND))
            for row in range(self.rows)
            for column in range(self.columns)
        ]
        """Row by row from the south-west; the crossing of row r and column c is `crossings[r * columns + c]`."""
        self._bands = self._plan_districts(districts)
        self.districts = [
            District(territory=f"{CITY_TERRITORY}/{slug}", name=name, ring=self._rectangle(*band))
            for (slug, name), band in zip(DISTRICTS, self._bands, strict=False)
        ]
        self.outline = self._rectangle(-1.5, -1.5, self.columns + 0.5, self.rows + 0.5)
        """The city's own border; the ring road lies within it."""
        self._along: dict[int, int] = {}
        self._across: dict[int, int] = {}
        self.streets = self._plan_streets()
        self.ring_road = self._plan_ring_road()
        self.houses = list(self._build_houses(rng, houses_a_block))
        self.institutions = self._found_institutions(rng)
        self.neighbourhoods = [
            (name, self._point(rng.uniform(0, self.columns - 1), rng.uniform(0, self.rows - 1)))
            for name in rng.sample(NEIGHBOURHOODS, min(len(NEIGHBOURHOODS), districts * 2))
        ]
        self.devices: list[Device] = [*hang_cameras(self, rng, cameras), *install_panels(self, rng, panels)]
        self.crews: list[CrewProfile] = enlist_crews(self, rng, crews)

    def address(self, house: int, language: Literal["kk", "ru"] = "ru") -> str:
        """The house's full address in one language, as a register writes it."""
        built = self.houses[house]
        name = self.streets[built.street].name
        return f"{name.kk if language == 'kk' else name.ru}, {built.number}"

    def corner(self, crossing: int) -> tuple[Name, Name]:
        """The names of the two streets that cross here, the west–east one first."""
        row, column = divmod(crossing, self.columns)
        return self.streets[self._along[row]].name, self.streets[self._across[column]].name

    def district_of(self, crossing: int) -> int:
        """Index of the district that a crossing lies in."""
        row, column = divmod(crossing, self.columns)
        for index, (west, south, east, north) in enumerate(self._bands):
            if west <= column <= east and south <= row <= north:
                return index
        raise ValueError(f"crossing {crossing} is not in this city")

    def subscriber(self, index: int) -> Subscriber:
        """The subscriber with this index, `0 <= index < subscriber_count`; always the same one."""
        draw = _mix(self.seed * 0x9E3779B97F4A7C15 + index)
        percent = draw % 100
        line: LineKind = next(kind for kind, up_to in _LINES if percent < up_to)
        phone = (
            f"+77272{index:06d}"
            if line == "landline" and index < 1_000_000
            else f"+770{index // 10_000_000}{index % 10_000_000:07d}"
        )
        house = draw // 100 % len(self.houses)
        language: Literal["kk", "ru"] = "kk" if draw >> 40 & 1 else "ru"
        known = (draw >> 41) % 100 < 85
        return Subscriber(
            phone=phone,
            name=person_name(draw >> 48),
            line=line,
            house=house,
            address=self.address(house, language),
            place=self.houses[house].place if known else None,
        )

    def route(self, start: int, end: int) -> list[int]:
        """Crossings from `start` to `end`, both included: along the west–east street, then along the south–north one."""
        row, column = divmod(start, self.columns)
        end_row, end_column = divmod(end, self.columns)
        path = [start]
        while column != end_column:
            column += 1 if end_column > column else -1
            path.append(row * self.columns + column)
        while row != end_row:
            row += 1 if end_row > row else -1
            path.append(row * self.columns + column)
        return path

    def nearest_crossing(self, place: Point) -> int:
        """The crossing whose block a place lies in; for a place outside the city the nearest border crossing."""
        east, north = self._grid(place)
        column = min(max(round(east), 0), self.columns - 1)
        row = min(max(round(north), 0), self.rows - 1)
        return row * self.columns + column

    def _point(self, east_blocks: float, north_blocks: float) -> Point:
        north_m = (north_blocks - (self.rows - 1) / 2) * BLOCK_M
        east_m = (east_blocks - (self.columns - 1) / 2) * BLOCK_M
        return Point(
            # OSM's own precision: what is written to the extract comes back as the same number.
            latitude_deg=round(CENTRE_LATITUDE_DEG + north_m / METRES_A_DEGREE, 7),
            longitude_deg=round(CENTRE_LONGITUDE_DEG + east_m / (METRES_A_DEGREE * cos(radians(CENTRE_LATITUDE_DEG))), 7),
        )

    def _grid(self, place: Point) -> tuple[float, float]:
        east_m = (place.longitude_deg - CENTRE_LONGITUDE_DEG) * METRES_A_DEGREE * cos(radians(CENTRE_LATITUDE_DEG))
        north_m = (place.latitude_deg - CENTRE_LATITUDE_DEG) * METRES_A_DEGREE
        return east_m / BLOCK_M + (self.columns - 1) / 2, north_m / BLOCK_M + (self.rows - 1) / 2

    def _rectangle(self, west: float, south: float, east: float, north: float) -> tuple[Point, ...]:
        return self._point(west, south), self._point(east, south), self._point(east, north), self._point(west, north)

    def _plan_districts(self, count: int) -> list[tuple[float, float, float, float]]:
        """Divides the blocks into `count` rectangles (west, south, east, north), borders halfway between crossings."""
        tiers = max(1, round(count**0.5))
        bands: list[tuple[float, float, float, float]] = []
        for tier in range(tiers):
            south = -1.5 if tier == 0 else tier * self.rows // tiers - 0.5
            north = self.rows + 0.5 if tier == tiers - 1 else (tier + 1) * self.rows // tiers - 0.5
            across = count * (tier + 1) // tiers - count * tier // tiers
            for place in range(across):
                west = -1.5 if place == 0 else place * self.columns // across - 0.5
                east = self.columns + 0.5 if place == across - 1 else (place + 1) * self.columns // across - 0.5
                bands.append((west, south, east, north))
        return bands

    def _plan_streets(self) -> list[Street]:
        along = [tuple(row * self.columns + column for column in range(self.columns)) for row in range(self.rows)]
        across = [tuple(row * self.columns + column for row in range(self.rows)) for column in range(self.columns)]
        streets = []
        for index in range(self.rows + self.columns):
            # Alternating directions, so that the first names of the list meet each other at corners.
            crossings = (along if (index % 2 == 0 and along) or not across else across).pop(0)
            name = street_name(index)
            streets.append(Street(name=name, avenue="даңғылы" in name.kk, crossings=crossings))
            if crossings[1] - crossings[0] == 1:
                self._along[crossings[0] // self.columns] = index
            else:
                self._across[crossings[0]] = index
        return streets

    def _plan_ring_road(self) -> tuple[Name, tuple[Point, ...]]:
        west, south, east, north = -1.0, -1.0, float(self.columns), float(self.rows)
        corners = [(west, south), (east, south), (east, north), (west, north), (west, south)]
        points: list[Point] = []
        for (from_east, from_north), (to_east, to_north) in pairwise(corners):
            steps = max(self.columns, self.rows)
            points += [
                self._point(
                    from_east + (to_east - from_east) * step / steps, from_north + (to_north - from_north) * step / steps
                )
                for step in range(steps)
            ]
        return RING_ROAD, tuple(points)

    def _build_houses(self, rng: Random, houses_a_block: int) -> list[House]:
        houses: list[House] = []
        for street_no, street in enumerate(self.streets):
            for block, (near, far) in enumerate(pairwise(street.crossings)):
                from_east, from_north = self._grid(self.crossings[near])
                to_east, to_north = self._grid(self.crossings[far])
                length = ((to_east - from_east) ** 2 + (to_north - from_north) ** 2) ** 0.5
                left_east, left_north = -(to_north - from_north) / length, (to_east - from_east) / length
                for place in range(houses_a_block):
                    share = (place + 0.5) / houses_a_block
                    for side, parity in ((1.0, 1), (-1.0, 2)):
                        off = side * SET_BACK_M / BLOCK_M
                        number = 2 * (block * houses_a_block + place) + parity
                        crossing = near if share < 0.5 else far
                        houses.append(
                            House(
                                street=street_no,
                                number=f"{number}{rng.choice(('а', 'б', '/1', '/2', ' к2'))}"
                                if rng.random() < 0.05
                                else str(number),
                                place=self._point(
                                    from_east + (to_east - from_east) * share + left_east * off,
                                    from_north + (to_north - from_north) * share + left_north * off,
                                ),
                                crossing=crossing,
                                district=self.district_of(crossing),
                            )
                        )
        return houses

    def _found_institutions(self, rng: Random) -> list[Institution]:
        by_district: list[list[int]] = [[] for _ in self.districts]
        for index, house in enumerate(self.houses):
            by_district[house.district].append(index)
        numbers: dict[str, int] = {}
        founded: list[Institution] = []
        for homes in by_district:
            for (kind, kk, ru), house_no in zip(_INSTITUTIONS, rng.sample(homes, len(_INSTITUTIONS)), strict=True):
                numbers[kk] = numbers.get(kk, 0) + 1
                founded.append(
                    Institution(kind=kind, name=Name(kk.format(n=numbers[kk]), ru.format(n=numbers[kk])), house=house_no)
                )
        return founded


def _mix(value: int) -> int:
    """A well-spread 64-bit hash of an integer (splitmix64's finaliser), so that the n-th of millions needs no list."""
    value &= 0xFFFFFFFFFFFFFFFF
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
    value = (value ^ value >> 27) * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF
    return value ^ value >> 31
