"""Which territory holds a point: polygons from GeoJSON files and from an imported map; implements `core.ports.Territories`.

Place in the flow: **locate**, once a batch. Rules: a territory's id is its path from the top (`kz/almaty/medeu`); of several
that hold a point the deepest wins, of equally deep ones the smallest; a point on a border belongs to both sides, so never to
none. GeoJSON writes longitude before latitude (RFC 7946); this module alone turns it round. A file that is wrong is refused
with `MapError` naming the feature and the field. Source: CITY-13.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt
import shapely

from core.vocabulary import TerritoryId
from routing.map_data import Boundary, MapError

_LATIN: Final = str.maketrans(
    dict(zip("абвгдеёзийклмнопрстуфхыэәғқңөұүһі", "abvgdeeziiklmnoprstufhyeagqnouuhi", strict=True))
    | {"ж": "zh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "shch", "ъ": "", "ь": "", "ю": "yu", "я": "ya"}
)
_ID: Final = re.compile(r"[^\W_]+(?:[-_.][^\W_]+)*")
_INSIDE_SHARE: Final = 0.9
"""A boundary lies in another when this share of its area does; drawn borders never meet exactly."""
_SLUG_LEAVES_OUT: Final = frozenset(
    [
        "район",
        "района",
        "ауданы",
        "аудан",
        "district",
        "region",
        "область",
        "облысы",
        "город",
        "қаласы",
        "г",
        "city",
        "мкр",
        "мкн",
        "микрорайон",
        "пос",
    ]
)


class Territory(msgspec.Struct, frozen=True):
    """One territory of the vertical."""

    territory_id: TerritoryId
    names: dict[str, str]
    """Language (`kk`, `ru`, `en`, `""` for the plain name) → name."""
    wkb: bytes
    """Polygon or multipolygon, longitude then latitude in degrees."""


class TerritoryIndex:
    """Territories ready to be asked. Immutable once built."""

    def __init__(self, territories: Sequence[Territory]) -> None:
        """Indexes the territories.

        Raises:
            MapError: two have one id, or a polygon cannot be read.
        """
        self._ids: list[str] = [territory.territory_id for territory in territories]
        for territory_id, count in Counter(self._ids).items():
            if count > 1:
                raise MapError(f"territory {territory_id!r} is given twice")
        try:
            shapes = [shapely.from_wkb(territory.wkb) for territory in territories]
        except shapely.errors.ShapelyError as error:
            raise MapError(f"a territory's polygon cannot be read: {error}") from error
        # Rank 0 is asked last: deeper before shallower, then smaller before larger.
        order = sorted(range(len(shapes)), key=lambda no: (self._ids[no].count("/"), -shapes[no].area, self._ids[no]))
        self._rank = np.empty(len(shapes), np.int64)
        self._rank[order] = np.arange(len(shapes))
        self._by_rank = [self._ids[no] for no in order]
        shapely.prepare(shapes)
        self._tree = shapely.STRtree(shapes)
        self.territories: tuple[Territory, ...] = tuple(territories)

    def find(self, latitude_deg: npt.NDArray[np.float64], longitude_deg: npt.NDArray[np.float64]) -> list[str]:
        """Deepest territory that holds each point, `""` where none does. One call a batch.

        Args:
            latitude_deg: float64 `(n,)`, WGS 84; a NaN lies nowhere.
            longitude_deg: the same.
        """
        found = np.full(len(latitude_deg), -1, np.int64)
        known = np.flatnonzero(np.isfinite(latitude_deg) & np.isfinite(longitude_deg))
        points = shapely.points(longitude_deg[known], latitude_deg[known])
        asked, holding = self._tree.query(points, predicate="intersects")
        np.maximum.at(found, known[asked], self._rank[holding])
        by_rank = self._by_rank
        return [by_rank[rank] if rank >= 0 else "" for rank in found.tolist()]


class _Properties(msgspec.Struct):
    id: str = ""
    parent: str = ""
    name: str = ""
    name_kk: str = ""
    name_ru: str = ""
    name_en: str = ""


class _Feature(msgspec.Struct):
    geometry: msgspec.Raw
    properties: _Properties
    type: str = ""


class _Collection(msgspec.Struct):
    type: str
    features: list[msgspec.Raw]


def territories_of_geojson(text: bytes, source: str = "GeoJSON") -> list[Territory]:
    """The territories of a GeoJSON feature collection.

    Each feature is a Polygon or MultiPolygon with `properties`: `id` (required; a path, or one step below `parent`), `parent`
    (the id of the feature above, or a path known elsewhere), `name` and `name_kk`, `name_ru`, `name_en` (at least one).

    Args:
        text: the file.
        source: its name, for errors.

    Raises:
        MapError: names the feature by number and id, the field, and what is wrong with it.
    """
    try:
        collection = msgspec.json.decode(text, type=_Collection)
    except msgspec.DecodeError as error:
        raise MapError(f"{source}: {error}") from error
    if collection.type != "FeatureCollection":
        raise MapError(f"{source}: $.type must be FeatureCollection, not {collection.type!r}")
    features = [_feature(raw, f"{source}: feature {number}") for number, raw in enumerate(collection.features)]
    by_id = {feature.properties.id: feature.properties for feature, _ in features}
    territories: list[Territory] = []
    for number, (feature, wkb) in enumerate(features):
        told = feature.properties
        where = f"{source}: feature {number} ({told.id})"
        names = {"": told.name, "kk": told.name_kk, "ru": told.name_ru, "en": told.name_en}
        path = _path(told, by_id, where)
        if any(other.territory_id == path for other in territories):
            raise MapError(f"{where}: properties.id is given twice")
        territories.append(Territory(TerritoryId(path), {language: name for language, name in names.items() if name}, wkb))
    return territories


def _feature(raw: msgspec.Raw, where: str) -> tuple[_Feature, bytes]:
    """A feature checked by itself, and its polygon."""
    try:
        feature = msgspec.json.decode(raw, type=_Feature)
    except msgspec.DecodeError as error:
        raise MapError(f"{where}: {error}") from error
    told = feature.properties
    where += f" ({told.id})" if told.id else ""
    if feature.type != "Feature":
        raise MapError(f"{where}: type must be Feature, not {feature.type!r}")
    if not told.id:
        raise MapError(f"{where}: properties.id is missing")
    for field in ("id", "parent"):
        steps = getattr(told, field).split("/")
        if steps != [""] and not all(_ID.fullmatch(step) for step in steps):
            raise MapError(f"{where}: properties.{field} {getattr(told, field)!r} must be words joined by '/'")
    if not (told.name or told.name_kk or told.name_ru or told.name_en):
        raise MapError(f"{where}: properties.name is missing (or name_kk, name_ru, name_en)")
    try:
        shape = shapely.from_geojson(bytes(feature.geometry))
    except shapely.errors.ShapelyError as error:
        raise MapError(f"{where}: geometry: {error}") from error
    if shape is None or shape.geom_type not in ("Polygon", "MultiPolygon"):
        raise MapError(f"{where}: geometry must be a Polygon or MultiPolygon, not {shape and shape.geom_type}")
    longitudes, latitudes = shapely.get_coordinates(shape).T
    if not (np.all(np.abs(longitudes) <= 180.0) and np.all(np.abs(latitudes) <= 90.0)):
        raise MapError(f"{where}: geometry.coordinates must be longitude (-180…180) then latitude (-90…90), in degrees")
    if not shape.is_valid:
        shape = shapely.make_valid(shape, method="structure", keep_collapsed=False)
    if shape.area == 0.0:
        raise MapError(f"{where}: geometry encloses no area")
    return feature, shapely.to_wkb(shape)


def _path(told: _Properties, by_id: dict[str, _Properties], where: str) -> str:
    """The whole path of a territory, by its parents."""
    path, above = told.id, told.parent
    seen = {told.id}
    while above and not path.startswith(above + "/"):
        path = f"{above}/{path}"
        parent = by_id.get(above)
        if parent is None:
            if "/" not in above and by_id and above not in by_id:
                raise MapError(f"{where}: properties.parent {above!r} is no feature's id and no path")
            break
        if parent.id in seen:
            raise MapError(f"{where}: properties.parent leads back to {parent.id!r}")
        seen.add(parent.id)
        above = parent.parent
    return path


def territories_of_boundaries(boundaries: Sequence[Boundary], top: str = "") -> list[Territory]:
    """The territories of an imported map's boundaries, each below the smallest one that holds it.

    Args:
        boundaries: as `MapData.boundaries` has them.
        top: path put before those that lie in no other, for example `kz` for an extract of one city.

    Returns:
        One territory a boundary, parents before children; ids are made of ISO codes and of names in Latin letters.
    """
    shapes = [shapely.from_wkb(boundary.wkb) for boundary in boundaries]
    order = sorted(range(len(boundaries)), key=lambda no: (-shapes[no].area, no))
    tree = shapely.STRtree(shapes)
    paths: dict[int, str] = {}
    taken: set[str] = set()
    territories = []
    for no in order:
        holders = [
            other
            for other in tree.query(shapes[no], predicate="intersects").tolist()
            if other in paths and shapely.intersection(shapes[other], shapes[no]).area >= _INSIDE_SHARE * shapes[no].area
        ]
        above = paths[min(holders, key=lambda other: shapes[other].area)] if holders else top
        step = _slug(boundaries[no])
        path = f"{above}/{step}" if above else step
        number = 2
        while path in taken:
            path = f"{above}/{step}-{number}" if above else f"{step}-{number}"
            number += 1
        taken.add(path)
        paths[no] = path
        territories.append(Territory(TerritoryId(path), boundaries[no].names, boundaries[no].wkb))
    return territories


def _slug(boundary: Boundary) -> str:
    """One step of an id: the country's code, else the name in Latin letters without the word for its level."""
    if boundary.admin_level == 2 and boundary.code:
        return boundary.code
    name = boundary.names.get("en") or boundary.names[""]
    words = re.findall(r"[^\W_]+", name.lower())
    told = [word for word in words if word not in _SLUG_LEAVES_OUT] or words
    return "-".join(filter(None, (word.translate(_LATIN) for word in told))) or "area"
