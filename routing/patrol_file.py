"""Patrol routes out of GeoJSON, checked to the last field (OCC-3, OCC-5).

Place in the flow: before it; `jedel patrol import` reads a file by this, storage keeps what comes out. Each feature is a line
or an area with these `properties`:

- `name`: what people call it. `id`: what the register calls it, kept from file to file; the name where there is none.
- `width_m`: how far from the line, or outside the area, a crew may be.
- `timetable`: a `core.timetable.Timetable`.
- `crews`: the call signs that walk it in every shift, or `"roster"` where the roster says who does.
- `stand_s`, if wanted: how long a crew may stand on it, 0 for any time.

Properties of other names are a map editor's, and passed over. A file that is wrong is refused as a whole, with `MapError`
naming the feature and the field.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
import numpy as np
import shapely
from msgspec import Meta

from core import limits
from core.events import Key
from core.patrol import PatrolRoute, RouteId
from core.timetable import Timetable, fault_of, first_clash
from core.vocabulary import CrewId
from routing.map_data import MapError

LINE_WIDTH_LEAST_M: Final = 10.0
"""A narrower line would be left by a receiver's noise alone."""
_LINES: Final = ("LineString", "MultiLineString")
_AREAS: Final = ("Polygon", "MultiPolygon")

Name = Annotated[str, Meta(min_length=1, max_length=200)]


class _Properties(msgspec.Struct, kw_only=True):
    name: Name
    id: Annotated[str, Meta(max_length=64)] = ""
    width_m: Annotated[float, Meta(ge=0.0, le=limits.PATROL_WIDTH_MAX_M)]
    timetable: Timetable
    crews: Annotated[tuple[Key, ...], Meta(min_length=1, max_length=limits.PATROL_CREWS_MAX)] | Literal["roster"]
    stand_s: Annotated[int, Meta(ge=0, le=86_400)] | None = None


class _Named(msgspec.Struct):
    name: str = ""
    id: str = ""


class _Naming(msgspec.Struct):
    properties: _Named


class _Feature(msgspec.Struct):
    geometry: msgspec.Raw
    properties: _Properties
    type: str = ""


class _Collection(msgspec.Struct):
    type: str
    features: list[msgspec.Raw]


def routes_of_geojson(text: bytes, source: str = "GeoJSON") -> list[PatrolRoute]:
    """The routes of a GeoJSON feature collection, in its order, as versions valid for ever; the register knows better.

    Args:
        text: the file.
        source: its name, for errors.

    Raises:
        MapError: names the feature by number and name, the field, and what is wrong with it.
    """
    try:
        collection = msgspec.json.decode(text, type=_Collection)
    except msgspec.DecodeError as error:
        raise MapError(f"{source}: {error}") from error
    if collection.type != "FeatureCollection":
        raise MapError(f"{source}: $.type must be FeatureCollection, not {collection.type!r}")
    if len(collection.features) > limits.PATROL_ROUTES_MAX:
        raise MapError(
            f"{source}: $.features has {len(collection.features)} routes, at most {limits.PATROL_ROUTES_MAX} are taken"
        )
    routes = [_route(raw, f"{source}: feature {number}") for number, raw in enumerate(collection.features)]
    known: dict[RouteId, int] = {}
    by_crew: dict[CrewId, list[int]] = {}
    for number, route in enumerate(routes):
        where = f"{source}: feature {number} ({route.name})"
        if known.setdefault(route.route_id, number) != number:
            raise MapError(f"{where}: properties.id {str(route.route_id)!r} is also feature {known[route.route_id]}'s")
        for crew in route.crews or ():
            by_crew.setdefault(crew, []).append(number)
    for crew, numbers in by_crew.items():
        _check_crew(crew, numbers, routes, source)
    return routes


def _check_crew(crew: CrewId, numbers: list[int], routes: list[PatrolRoute], source: str) -> None:
    """Nobody is on two routes at once, as far as their clocks are one."""
    for zone in {routes[number].timetable.zone for number in numbers}:
        of_zone = [number for number in numbers if routes[number].timetable.zone == zone]
        clash = first_clash([routes[number].timetable for number in of_zone])
        if clash is not None:
            one, other = of_zone[clash[0]], of_zone[clash[1]]
            what = f"properties.crews: {crew} is on feature {one} ({routes[one].name}) too when its shift begins, {clash[2]}"
            raise MapError(f"{source}: feature {other} ({routes[other].name}): {what}")


def _route(raw: msgspec.Raw, where: str) -> PatrolRoute:
    where += _named(raw)
    try:
        feature = msgspec.json.decode(raw, type=_Feature)
    except msgspec.DecodeError as error:
        raise MapError(f"{where}: {error}") from error
    told = feature.properties
    if feature.type != "Feature":
        raise MapError(f"{where}: type must be Feature, not {feature.type!r}")
    fault = fault_of(told.timetable)
    if fault is not None:
        raise MapError(f"{where}: properties.timetable.{fault[0]}: {fault[1]}")
    shape = _shape(bytes(feature.geometry), where)
    if shape.geom_type in _LINES and told.width_m < LINE_WIDTH_LEAST_M:
        raise MapError(f"{where}: properties.width_m {told.width_m:g} must be at least {LINE_WIDTH_LEAST_M:g} for a line")
    if told.crews != "roster" and len(set(told.crews)) < len(told.crews):
        raise MapError(f"{where}: properties.crews names a crew twice")
    return PatrolRoute(
        route_id=RouteId(told.id or told.name[:64]),
        name=told.name,
        width_m=told.width_m,
        timetable=told.timetable,
        crews=None if told.crews == "roster" else tuple(map(CrewId, told.crews)),
        stand_s=told.stand_s,
        wkb=shapely.to_wkb(shape),
    )


def _named(raw: msgspec.Raw) -> str:
    """A feature's name in brackets, as far as it can be read; its fault is told by who reads the whole."""
    try:
        told = msgspec.json.decode(raw, type=_Naming).properties
    except msgspec.DecodeError:
        return ""
    return f" ({told.name or told.id})" if told.name or told.id else ""


def _shape(geojson: bytes, where: str) -> shapely.Geometry:
    try:
        shape = shapely.from_geojson(geojson)
    except shapely.errors.ShapelyError as error:
        raise MapError(f"{where}: geometry: {error}") from error
    if shape is None or shape.geom_type not in (*_LINES, *_AREAS):
        raise MapError(f"{where}: geometry must be a LineString or Polygon (or Multi…), not {shape and shape.geom_type}")
    if shape.geom_type in _AREAS and not shape.is_valid:
        shape = shapely.make_valid(shape, method="structure", keep_collapsed=False)
    shape = shapely.force_2d(shape)
    coordinates = shapely.get_coordinates(shape)
    longitudes, latitudes = coordinates.T
    if not (np.all(np.abs(longitudes) <= 180.0) and np.all(np.abs(latitudes) <= 90.0)):
        raise MapError(f"{where}: geometry.coordinates must be longitude (-180…180) then latitude (-90…90), in degrees")
    if (
        shape.is_empty
        or (shape.geom_type in _LINES and shape.length == 0.0)
        or (shape.geom_type in _AREAS and shape.area == 0.0)
    ):
        raise MapError(f"{where}: geometry has no extent")
    if len(coordinates) > limits.PATROL_VERTICES_MAX:
        raise MapError(f"{where}: geometry has {len(coordinates)} corners, at most {limits.PATROL_VERTICES_MAX} are taken")
    if np.any(np.ptp(coordinates, axis=0) > limits.PATROL_EXTENT_MAX_DEG):
        raise MapError(f"{where}: geometry is wider or higher than {limits.PATROL_EXTENT_MAX_DEG:g} degrees")
    return shape
