"""What was imported: the map, the territories and the registers, whether there are any, and how old they are.

Place in the flow: a check of `jedel doctor`. None of them is needed; each that is missing is something the centre cannot do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from core.instant import SECOND_US, Micros
from ops.doctor.verdict import Verdict, ok, warning
from ops.doctor.world import World
from ops.maps import GAZETTEER, TERRITORIES
from storage.condition import LayerState, RegisterState, is_migrated, read_layers, read_registers

MAP_OLD_DAYS: Final = 365
SUBSCRIBERS_OLD_DAYS: Final = 90
"""A city gains streets by the year; numbers change hands by the month."""
_DAY_US: Final = 86_400 * SECOND_US
_MAP: Final = "jedel map import FILE.osm.pbf"
_EMPTY: Final = "the database is empty: nothing was imported"


async def check_map(world: World) -> list[Verdict]:
    """The map and the territories."""
    async with world.database() as connection:
        if not await is_migrated(connection):
            return [ok(_EMPTY)]
        layers = await read_layers(connection)
    return list(judge_map(layers, world.now_us()))


def judge_map(layers: Mapping[str, LayerState], now_us: Micros) -> Iterator[Verdict]:
    """What the centre can make of addresses and driving times."""
    layer = layers.get(GAZETTEER)
    boundaries = 0
    if layer is None:
        yield warning("no map: addresses in words find no place, and crews go by straight lines", _MAP)
    else:
        counts = msgspec.json.decode(layer.statistics, type=dict[str, int])
        boundaries = counts.get("boundaries", 0)
        days = (now_us - layer.imported_us) // _DAY_US
        contents = ", ".join(f"{counts.get(kind, 0):,} {kind}" for kind in ("streets", "houses", "roads"))
        text = f"map {layer.source_name}, {days} days old: {contents}"
        if not counts.get("roads", 0):
            yield warning(f"{text}: crews go by straight lines", f"import it again with this version: {_MAP}")
        elif days > MAP_OLD_DAYS:
            yield warning(text, f"import a newer extract: {_MAP}")
        else:
            yield ok(text)
    given = layers.get(TERRITORIES)
    if given is not None:
        number = msgspec.json.decode(given.statistics, type=dict[str, int]).get("territories", 0)
        yield ok(f"{number} territories of {given.source_name}")
    elif boundaries:
        yield ok(f"the map's own {boundaries} boundaries are the territories")
    else:
        yield warning("no territories: every incident is the whole centre's", "jedel territory import FILE.geojson")


async def check_registers(world: World) -> list[Verdict]:
    """Subscribers and devices."""
    async with world.database() as connection:
        if not await is_migrated(connection):
            return [ok(_EMPTY)]
        registers = await read_registers(connection)
    return list(judge_registers(registers, world.now_us()))


def judge_registers(registers: Sequence[RegisterState], now_us: Micros) -> Iterator[Verdict]:
    """What the centre knows of who calls, and where devices stand."""
    by_name = {one.register: one for one in registers}
    for name, plural, lack, old_days in (
        ("subscriber", "subscribers", "who calls is known by number only", SUBSCRIBERS_OLD_DAYS),
        ("device", "devices", "an alarm without a place of its own finds none", None),
    ):
        found = by_name.get(name)
        command = f"jedel {plural} import FILE.csv"
        if found is None or not found.row_count or found.imported_us is None:
            yield warning(f"no {plural}: {lack}", command)
            continue
        days = (now_us - found.imported_us) // _DAY_US
        text = f"{found.row_count:,} {plural}, imported {days} days ago"
        yield warning(text, f"import a newer base: {command}") if old_days is not None and days > old_days else ok(text)
