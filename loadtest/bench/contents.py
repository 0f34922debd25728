"""What each benchmark measures and what it is compared with, in a sentence each, in the order of `loadtest/RESULTS.md`."""

from __future__ import annotations

from typing import Final

import msgspec


class Part(msgspec.Struct, frozen=True):
    """One benchmark's part of the page."""

    title: str
    measured: str
    baseline: str


CONTENTS: Final[dict[str, Part]] = {
    "ingest_sensor": Part(
        "Sensor events",
        "Plate reads over four TCP connections into a running service, each acknowledged after its commit.",
        "asyncpg's `copy_records_to_table` of the same rows, ready tuples, into a table with the same indexes: no protocol, no"
        " checks, no acknowledgement.",
    ),
    "ingest_call": Part(
        "Calls",
        "Calls through everything: caller, place, incident, crews, commit, acknowledgement, a dispatch client that is told.",
        "The same calls on the same city by services that do the same job as they are usually built: FastAPI with a transaction"
        " a call; NATS JetStream and a consumer with a transaction a batch; Redis Streams with GEOSEARCH, and PostgreSQL as the"
        " record. All with equal durability: a call counts when it has been forced to disk.",
    ),
    "latency": Part(
        "Latency",
        "From the instant at which an event is due, in an open loop, to its acknowledgement or to a client that is told: under"
        " a fixed mix, under half the mix that the machine can carry, and for a lone call.",
        "asyncpg's commit of one row on the same server, with nothing else to do.",
    ),
    "fanout": Part(
        "Fan-out",
        "Updates a second, times clients, at which 99 % of them are read within 50 ms by dispatch clients that see everything.",
        "The broadcast of the `websockets` library, of the same bytes at the same instants.",
    ),
    "health": Part(
        "Health",
        "How soon `/livez`, `/readyz` and `/metrics` answer while events come as fast as they are taken.",
        "The same service with nothing to do.",
    ),
    "growth": Part(
        "Growth",
        "What an event costs the engine, and what an incident weighs in memory, with ever more incidents open.",
        "The same with a thousand incidents open.",
    ),
    "recovery": Part(
        "Recovery",
        "From the start of the process until it accepts, with ever more incidents open.",
        "The same start with no incident.",
    ),
    "assign": Part(
        "Choice of crews",
        "A call's share of choosing crews for a batch while all crews move, with the reasons for the choice.",
        "A linear scan in numpy, and Redis GEOADD and GEOSEARCH pipelined a batch; both only find the nearest.",
    ),
    "roads": Part(
        "Roads",
        "The choice of crews by driving time over the city's roads.",
        "Dijkstra's search by scipy through the whole city, and the nearest crew by straight line.",
    ),
    "copy": Part(
        "Storage",
        "What the writer makes of decided batches: rows packed and sent by binary COPY, and commits of calls.",
        "What asyncpg does with the same rows.",
    ),
    "patrol": Part(
        "Patrols",
        "The share of a core that watching patrols on their routes takes.",
        "The same rule in plain Python with GEOS, crew by crew.",
    ),
    "terms": Part(
        "Terms",
        "What one term costs from its beginning to its firing, while so many others run.",
        "A list that is looked through for what is due.",
    ),
    "history": Part(
        "History",
        "The product's own questions about the last day, with ten million events stored over several days.",
        "The same question to the same rows in plain tables that have their primary key and nothing else.",
    ),
    "soak": Part(
        "Soak",
        "A service under 70 % of the mix that it can carry, for long: whether memory and latency stay as they are.",
        "The same service at the beginning of the run.",
    ),
}
