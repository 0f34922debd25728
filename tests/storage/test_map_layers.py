"""Maps come back as they were saved."""

from __future__ import annotations

import asyncio

import pytest

from storage.errors import StorageError, StorageReason
from storage.store import Store
from tests.database import execute
from tests.storage import samples


def test_load_map_gives_the_last_map_saved_under_the_name(database: str) -> None:
    async def main() -> None:
        store = await Store.open(database)
        assert await store.load_map("gazetteer") is None
        for data in (b"first", bytes(range(256)) * 10_000):
            layer = await store.save_map(
                "gazetteer", data, imported_us=samples.NOW, source_name="city.osm.pbf", statistics=b'{"streets": 3}'
            )
        assert await store.load_map("gazetteer") == (layer, data)
        assert layer.statistics == b'{"streets": 3}'
        assert await store.load_map("territories") is None
        await store.close()

    asyncio.run(main())


def test_load_map_raises_when_the_stored_bytes_are_damaged(database: str) -> None:
    async def main() -> None:
        store = await Store.open(database)
        await store.save_map("gazetteer", b"abc", imported_us=samples.NOW, source_name="f", statistics=b"{}")
        await execute(database, "UPDATE map_layer SET data = 'abd'")
        with pytest.raises(StorageError) as raised:
            await store.load_map("gazetteer")
        assert raised.value.reason is StorageReason.REFUSED_DATA

    asyncio.run(main())
