"""What is registered of the simulated city: its streets, houses, institutions, districts, devices, subscribers and crews.

Place in the flow: outside it. Rules: plain frozen values that refer to one another by index in `City`'s lists; positions are
WGS 84 degrees. `loadtest.city` draws them, `loadtest.city_files` writes them out.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from loadtest.names import Name

InstitutionKind = Literal["hospital", "school", "police", "fire_station", "ambulance_station", "fuel", "marketplace", "bank"]
LineKind = Literal["landline", "mobile", "payphone", "voip", "m2m"]


class Point(msgspec.Struct, frozen=True):
    """A place in WGS 84 degrees."""

    latitude_deg: float
    longitude_deg: float


class Street(msgspec.Struct, frozen=True):
    """A street through the whole grid; `crossings` are indices of `City.crossings` from its first house number on."""

    name: Name
    avenue: bool
    crossings: tuple[int, ...]


class House(msgspec.Struct, frozen=True):
    """A building with an address. `street` is an index of `City.streets`, `crossing` the nearest one."""

    street: int
    number: str
    place: Point
    crossing: int
    district: int


class Institution(msgspec.Struct, frozen=True):
    """An institution in a house: `house` is an index of `City.houses`."""

    kind: InstitutionKind
    name: Name
    house: int


class District(msgspec.Struct, frozen=True):
    """A district. `ring` are its border's corners, anticlockwise, the first not repeated."""

    territory: str
    name: Name
    ring: tuple[Point, ...]


class Device(msgspec.Struct, frozen=True):
    """A camera, an alarm panel, an emergency button or a sensor, where it is registered to stand."""

    device_id: str
    kind: Literal["plate_camera", "video_camera", "panel", "button", "fire", "gas", "water"]
    place: Point
    address: str
    house: int | None
    """Index of the house it guards; None on a crossing."""


class Subscriber(msgspec.Struct, frozen=True):
    """A telephone number as an exchange has registered it. `place` is None where the exchange holds no coordinates."""

    phone: str
    name: str
    line: LineKind
    house: int
    address: str
    place: Point | None


class CrewProfile(msgspec.Struct, frozen=True):
    """A crew and where its shift begins."""

    call_sign: str
    capabilities: tuple[str, ...]
    territory: str
    outside: bool
    crossing: int
