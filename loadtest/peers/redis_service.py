"""A peer of `ingest_call`: Redis Streams for the queue, GEOSEARCH for the crews, PostgreSQL for everything that is kept.

Durability: Redis runs with `appendonly yes` and `appendfsync always`, so a call is on the disk when XADD answers; it counts
when PostgreSQL has committed everything that it caused, with fsync, and the source has been told. Only then is it acknowledged
to the stream. Both survive `kill -9` and a power cut, and a call that was taken and not committed is delivered again. Where
free crews are stands in Redis and follows from PostgreSQL: a consumer that starts fills it anew.

As one builds it with these tools: a consumer group; its consumer takes what has come as a batch, of at most `BATCH_CALLS`, asks
for the crews of all its calls in one pipeline, claims them by ZREM, which one consumer alone can win, and decides and commits
the rest in one transaction (`loadtest.peers.batches`). Territories and capabilities of crews, which do not change in a shift,
are kept in the process. Answers are published on `news`, a message a call, in one pipeline a batch.

Run it as `python -m loadtest.peers.redis_service` with `PEER_DSN` and `PEER_REDIS` (a unix socket) in the environment; it says
`ready`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from math import cos, radians
from typing import Any, Final

import asyncpg
import msgspec
import uvloop
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from core.events import Call
from loadtest.city import CENTRE_LATITUDE_DEG, CENTRE_LONGITUDE_DEG, METRES_A_DEGREE
from loadtest.peers.batches import take
from loadtest.peers.crew_choice import CANDIDATES, Demand, Found

BATCH_CALLS: Final = 500
STREAM: Final = "calls"
NEWS: Final = "news"
GROUP: Final = "dispatch"
RADII_M: Final = (1_500, 6_000, 50_000)
"""Looked at one after the other: GEOSEARCH sorts all that are within, however few are wanted. The last is the city and more."""
WIDER: Final = 16
"""Where none of the nearest crews may go to this territory, so many times as many are looked at."""
_CREWS: Final = "SELECT crew_id, capabilities, territory, outside, state, place FROM crew"
_ASSIGN: Final = (
    "UPDATE crew SET state = 'assigned', incident_id = n.incident FROM unnest($1::text[], $2::bigint[]) AS n (id, incident)"
    " WHERE crew_id = n.id"
)
_CALL: Final = msgspec.json.Decoder(Call)
_ENCODER: Final = msgspec.json.Encoder()
_COLUMN_M: Final = METRES_A_DEGREE * cos(radians(CENTRE_LATITUDE_DEG))


class Crew(msgspec.Struct, frozen=True):
    """What does not change in a shift, and where it was last."""

    capabilities: tuple[str, ...]
    territory: str
    outside: bool
    place: tuple[float, float]


class RedisCrews:
    """Free crews in a geo set a capability."""

    def __init__(self, client: Redis, roster: dict[str, Crew]) -> None:
        self._client = client
        self._roster = roster
        self._claimed: list[str] = []

    async def fill(self, free: Sequence[str]) -> None:
        """Puts crews in. Raises `RedisError`."""
        async with self._client.pipeline(transaction=False) as pipeline:
            for crew_id in free:
                crew = self._roster[crew_id]
                for capability in crew.capabilities:
                    pipeline.geoadd(f"free:{capability}", (*degrees_of(crew.place), crew_id))
            await pipeline.execute()

    async def choose(self, connection: asyncpg.Connection, demands: Sequence[Demand]) -> list[Found | None]:
        """As `Crews.choose`: claimed in Redis, and recorded in the connection's transaction. Raises `RedisError`."""
        self._claimed = []
        found: list[Found | None] = [None] * len(demands)
        incidents: dict[str, int] = {}
        # Demand → how far and at how many crews it looks.
        waiting = dict.fromkeys(range(len(demands)), (0, CANDIDATES))
        while waiting:
            answers = await self._search(demands, waiting)
            chosen: dict[str, tuple[int, float]] = {}
            again: dict[int, tuple[int, int]] = {}
            for (row, (step, count)), near in zip(waiting.items(), answers, strict=True):
                able = [(crew_id, distance_m) for crew_id, distance_m in near if self._may_go(crew_id, demands[row].territory)]
                free = next(((crew_id, distance_m) for crew_id, distance_m in able if crew_id not in chosen), None)
                if free is not None:
                    chosen[free[0]] = (row, free[1])
                elif able:
                    # All of them have just been taken by others of the batch, and will not be found any more.
                    again[row] = (step, count)
                elif len(near) == count:
                    again[row] = (step, count * WIDER)
                elif step + 1 < len(RADII_M):
                    again[row] = (step + 1, count)
            won = set(await self._claim(list(chosen)))
            for crew_id, (row, distance_m) in chosen.items():
                if crew_id in won:
                    found[row] = Found(crew_id, distance_m)
                    incidents[crew_id] = demands[row].incident_id
                else:
                    again[row] = waiting[row]
            waiting = again
        if incidents:
            await connection.execute(_ASSIGN, list(incidents), list(incidents.values()))
        return found

    async def undo(self) -> None:
        """As `Crews.undo`."""
        claimed, self._claimed = self._claimed, []
        if claimed:
            await self.fill(claimed)

    async def _search(self, demands: Sequence[Demand], waiting: dict[int, tuple[int, int]]) -> list[list[tuple[str, float]]]:
        async with self._client.pipeline(transaction=False) as pipeline:
            for row, (step, count) in waiting.items():
                longitude_deg, latitude_deg = degrees_of(demands[row].place)
                pipeline.geosearch(
                    f"free:{demands[row].capability}",
                    longitude=longitude_deg,
                    latitude=latitude_deg,
                    radius=RADII_M[step],
                    unit="m",
                    sort="ASC",
                    count=count,
                    withdist=True,
                )
            answers = await pipeline.execute()
        return [[(name.decode(), distance_m) for name, distance_m in near] for near in answers]

    async def _claim(self, crews: Sequence[str]) -> list[str]:
        if not crews:
            return []
        async with self._client.pipeline(transaction=False) as pipeline:
            for crew_id in crews:
                for capability in self._roster[crew_id].capabilities:
                    pipeline.zrem(f"free:{capability}", crew_id)
            removed = iter(await pipeline.execute())
        won = []
        for crew_id in crews:
            # The first of its sets decides who has it; the others follow.
            mine = [next(removed) for _ in self._roster[crew_id].capabilities]
            if mine[0]:
                won.append(crew_id)
        self._claimed += won
        return won

    def _may_go(self, crew_id: str, territory: str) -> bool:
        crew = self._roster[crew_id]
        return crew.outside or territory == crew.territory or territory.startswith(f"{crew.territory}/")


def degrees_of(place: tuple[float, float]) -> tuple[float, float]:
    """Longitude and latitude of a place in the peers' metres."""
    return CENTRE_LONGITUDE_DEG + place[0] / _COLUMN_M, CENTRE_LATITUDE_DEG + place[1] / METRES_A_DEGREE


async def consume(dsn: str, path: str) -> None:
    """Serves until it is killed. Raises what asyncpg and redis raise."""
    connection = await asyncpg.connect(dsn, server_settings={"jit": "off"})
    client = Redis(unix_socket_path=path)
    rows = await connection.fetch(_CREWS)
    roster = {row[0]: Crew(tuple(row[1]), row[2], row[3], tuple(row[5])) for row in rows}
    crews = RedisCrews(client, roster)
    await crews.fill([row[0] for row in rows if row[4] == "free"])
    try:
        await client.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    except ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise
    print("ready", flush=True)
    name = f"consumer-{os.getpid()}"
    while True:
        told: Any = await client.xreadgroup(GROUP, name, {STREAM: ">"}, count=BATCH_CALLS, block=1_000)
        if not told:
            continue
        ((_, entries),) = told
        calls = [(_CALL.decode(fields[b"call"]), fields[b"call"].decode()) for _, fields in entries]
        answers = await take(connection, crews, calls)
        async with client.pipeline(transaction=False) as pipeline:
            pipeline.xack(STREAM, GROUP, *(entry_id for entry_id, _ in entries))
            for answer in answers:
                pipeline.publish(NEWS, _ENCODER.encode(answer))
            await pipeline.execute()


if __name__ == "__main__":
    uvloop.run(consume(os.environ["PEER_DSN"], os.environ["PEER_REDIS"]))
