"""Sources that push without end into a running service, and what is stored of them afterwards."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from core.events import AnyEvent, Call, Fix, PlateRead
from protocols.ingest.client import IngestClient
from storage.session import connect
from tests.end_to_end.service import SOURCE_TOKEN, Service, until

PROJECT: Final = Path(__file__).parents[2]


def _call(rng: random.Random) -> AnyEvent:
    fix = Fix(43.2 + rng.random() / 5, 76.8 + rng.random() / 5, 10.0)
    return Call(seq=1, at=datetime.now(UTC), phone=f"+7701{rng.randrange(10**7):07d}", words="драка", fix=fix)


def _plate(rng: random.Random) -> AnyEvent:
    return PlateRead(seq=1, at=datetime.now(UTC), camera="cam-1", plate=f"{rng.randrange(1000):03d}ABC02")


class Load:
    """A source that pushes until it is told to stop."""

    def __init__(self, client: IngestClient, make: Callable[[random.Random], AnyEvent], acked: list[int]) -> None:
        self.sent = 0
        self._acked = acked
        self._client = client
        self._make = make
        self._rng = random.Random(112)
        self._stop = False

    @property
    def acked(self) -> int:
        """How far it is acknowledged."""
        return self._acked[-1] if self._acked else 0

    async def run(self) -> None:
        while not self._stop:
            await self._client.push([self._make(self._rng) for _ in range(10)])
            self.sent += 10
            await asyncio.sleep(0.005)  # the load's pace, not a wait for anything
        await self._client.flush()

    async def passes(self, more: int) -> None:
        """Waits until so many more events are acknowledged."""
        aim = self.acked + more

        async def reached() -> bool:
            return self.acked >= aim

        await until(reached, "the load stands still")

    def stop(self) -> None:
        self._stop = True


@asynccontextmanager
async def loads_on(service: Service) -> AsyncIterator[dict[str, Load]]:
    """Two sources, `phone` and `cameras`, that push until the block ends; then everything they sent is acknowledged."""
    acked: dict[str, list[int]] = {"phone": [], "cameras": []}
    async with (
        IngestClient(service.tcp_url, source="phone", token=SOURCE_TOKEN, on_ack=acked["phone"].append) as phone,
        IngestClient(service.ws_url, source="cameras", token=SOURCE_TOKEN, on_ack=acked["cameras"].append) as cameras,
        asyncio.TaskGroup() as pushing,
    ):
        loads = {"phone": Load(phone, _call, acked["phone"]), "cameras": Load(cameras, _plate, acked["cameras"])}
        for load in loads.values():
            pushing.create_task(load.run())
        yield loads
        for load in loads.values():
            load.stop()


async def stored(dsn: str, source: str) -> tuple[int, int, int]:
    """Rows of a source, its distinct numbers, and the highest: all the same where nothing is lost or doubled."""
    connection = await connect(dsn, "test")
    try:
        row = await connection.fetchrow("SELECT count(*), count(DISTINCT seq), max(seq) FROM event WHERE source = $1", source)
        assert row is not None
        return row[0], row[1], row[2]
    finally:
        await connection.close()


def verify(dsn: str, tree: Path = PROJECT) -> subprocess.CompletedProcess[str]:
    """`jedel verify` of the version in this tree."""
    return subprocess.run(
        [sys.executable, "-c", "import sys; from ops.cli import main; sys.exit(main())", "verify", "--dsn", dsn],
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
    )
