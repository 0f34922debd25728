"""A peer of `ingest_call`: NATS JetStream for the queue, a Python consumer, PostgreSQL for everything that is kept.

Durability: the telephone platform keeps a call until it is answered, and it is answered when the transaction with everything
that it caused is committed, with fsync; the consumer acknowledges it to JetStream only then. A call that is counted therefore
survives `kill -9` of everything and a power cut. JetStream's stream is a file, synced as NATS ships it: what it might lose in a
power cut nobody has been answered for, and the platform sends it again. Syncing each message (`sync_interval: always`) would
make it slower and nothing safer.

As one builds it with these tools: JetStream delivers ahead to a queue group; its consumer takes what has come as a batch, of at
most `BATCH_CALLS`, and decides and commits it in one transaction (`loadtest.peers.batches`); uvloop, prepared statements, COPY.
The answer is published on `news` for the source and every client, a message a call.

Run it as `python -m loadtest.peers.nats_service` with `PEER_DSN` and `PEER_NATS` in the environment; it says `ready`.
"""

from __future__ import annotations

import asyncio
import os
from typing import Final

import asyncpg
import msgspec
import nats
import uvloop
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, StreamConfig

from core.events import Call
from loadtest.peers.batches import take
from loadtest.peers.crew_choice import PostgresCrews

BATCH_CALLS: Final = 500
AHEAD_CALLS: Final = 2_000
"""Delivered to consumers and not yet acknowledged."""
STREAM: Final = "CALLS"
SUBJECT: Final = "calls"
NEWS: Final = "news"
GROUP: Final = "dispatch"
_CALL: Final = msgspec.json.Decoder(Call)
_ENCODER: Final = msgspec.json.Encoder()


async def consume(dsn: str, url: str) -> None:
    """Serves until it is killed. Raises what asyncpg and nats raise."""
    connection = await asyncpg.connect(dsn, server_settings={"jit": "off"})
    broker = await nats.connect(url)
    stream = broker.jetstream()
    await stream.add_stream(StreamConfig(name=STREAM, subjects=[SUBJECT]))
    waiting: list[Msg] = []
    come = asyncio.Event()

    async def receive(message: Msg) -> None:
        waiting.append(message)
        come.set()

    await stream.subscribe(
        SUBJECT,
        queue=GROUP,
        stream=STREAM,
        cb=receive,
        manual_ack=True,
        config=ConsumerConfig(ack_policy=AckPolicy.EXPLICIT, max_ack_pending=AHEAD_CALLS),
    )
    await broker.flush()
    print("ready", flush=True)
    crews = PostgresCrews()
    while True:
        await come.wait()
        batch = waiting[:BATCH_CALLS]
        del waiting[:BATCH_CALLS]
        if not waiting:
            come.clear()
        answers = await take(connection, crews, [(_CALL.decode(message.data), message.data.decode()) for message in batch])
        for message in batch:
            await message.ack()
        for answer in answers:
            await broker.publish(NEWS, _ENCODER.encode(answer))


if __name__ == "__main__":
    uvloop.run(consume(os.environ["PEER_DSN"], os.environ["PEER_NATS"]))
