"""The simulation's model of storage against the real one: the same batches, the same recovered state."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from core.recovered import Recovered
from storage.recovery import recover
from storage.session import connect
from storage.writer import Writer
from tests.simulation.run import simulate
from tests.simulation.store import StoreModel


def comparable(recovered: Recovered) -> Recovered:
    """Without the devices, which no batch brings, and with positions in one order."""
    return msgspec.structs.replace(
        recovered, devices=[], positions=sorted(recovered.positions, key=lambda position: position.crew_id)
    )


@pytest.mark.parametrize("seed", [3, 12])
def test_model_recovers_what_storage_recovers(database: str, seed: int) -> None:
    store: StoreModel = simulate(seed).store

    async def main() -> Recovered:
        connection = await connect(database, "test")
        writer = Writer(database, epoch=1)
        try:
            await connection.execute("UPDATE centre SET epoch = 1")
            for decisions in store.batches:
                await writer.commit(decisions)
            return await recover(connection)
        finally:
            await writer.close()
            await connection.close()

    real, model = comparable(asyncio.run(main())), comparable(store.recovered())
    for field in Recovered.__struct_fields__:
        assert getattr(real, field) == getattr(model, field), field
