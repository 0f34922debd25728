"""Imported maps as stored blobs: the gazetteer and the territories in the packed form `routing` gives and takes.

Place in the flow: before it; `jedel map import` saves, the centre loads at start. Storage does not look inside.
"""

from __future__ import annotations

import hashlib
from typing import Final

import asyncpg
import msgspec

from core.instant import Micros
from storage.errors import DRIVER_ERRORS, StorageError, StorageReason, translate

DATA_MAX_BYTES: Final = 900 * 1024 * 1024
"""PostgreSQL holds 1 GiB in a value, and a message as much."""


class MapLayer(msgspec.Struct, frozen=True):
    """What is known of a stored map."""

    name: str
    """Which map it is, for example `gazetteer` or `territories`."""
    imported_us: Micros
    source_name: str
    """File it was made from."""
    sha256: str
    """Of the stored bytes, in hex."""
    statistics: bytes
    """Counts of what is in it, as a JSON object."""


async def save_map(
    connection: asyncpg.Connection, name: str, data: bytes, *, imported_us: Micros, source_name: str, statistics: bytes
) -> MapLayer:
    """Stores a map under a name in place of the one that was there.

    Raises:
        StorageError: `REFUSED_DATA` when `data` is larger than `DATA_MAX_BYTES`; otherwise what the database says.
    """
    if len(data) > DATA_MAX_BYTES:
        raise StorageError(StorageReason.REFUSED_DATA, f"map {name} has {len(data)} bytes, {DATA_MAX_BYTES} can be stored")
    layer = MapLayer(name, imported_us, source_name, hashlib.sha256(data).hexdigest(), statistics)
    try:
        await connection.execute(
            "INSERT INTO map_layer (name, imported_at, source_name, sha256, statistics, data) VALUES ($1, $2, $3, $4, $5, $6)"
            " ON CONFLICT (name) DO UPDATE SET imported_at = EXCLUDED.imported_at, source_name = EXCLUDED.source_name,"
            " sha256 = EXCLUDED.sha256, statistics = EXCLUDED.statistics, data = EXCLUDED.data",
            layer.name,
            layer.imported_us,
            layer.source_name,
            layer.sha256,
            layer.statistics,
            data,
        )
    except DRIVER_ERRORS as error:
        raise translate(error) from error
    return layer


async def load_map(connection: asyncpg.Connection, name: str) -> tuple[MapLayer, bytes] | None:
    """A stored map, or None when nothing was imported under that name.

    Raises:
        StorageError: `REFUSED_DATA` when the stored bytes do not have their checksum; otherwise what the database says.
    """
    try:
        row = await connection.fetchrow(
            "SELECT name, imported_at, source_name, sha256, statistics, data FROM map_layer WHERE name = $1", name
        )
    except DRIVER_ERRORS as error:
        raise translate(error) from error
    if row is None:
        return None
    layer, data = MapLayer(*tuple(row)[:5]), bytes(row["data"])
    if hashlib.sha256(data).hexdigest() != layer.sha256:
        raise StorageError(StorageReason.REFUSED_DATA, f"map {name} is damaged: import it again")
    return layer, data
