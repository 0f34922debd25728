"""Processes that are killed between any two steps of telling: nobody is told less than promised, nor more (CITY-5)."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from core import limits
from core.instant import SECOND_US
from core.telling import Channel, Telling
from ops.clock import now_us
from storage.outbox import BELL
from storage.session import connect
from storage.tables import outbox_row
from tests.adapters.receiver import Receiver
from tests.end_to_end.service import Service, until
from tests.end_to_end.telling_process import POINTS, Orders
from tests.ops.telling_world import Town, commit, town_of
from tests.storage import samples

URGENT, QUIET = limits.SMS_TWICE_PRIORITY, limits.SMS_TWICE_PRIORITY + 1
VICTIMS = (Channel.WEBHOOK, Channel.MAIL, Channel.SMS)


async def send(orders: Orders) -> int:
    """One process to its end; returns its exit status."""
    arguments = [sys.executable, "-m", "tests.end_to_end.telling_process", msgspec.json.encode(orders).decode()]
    process = await asyncio.create_subprocess_exec(*arguments, stderr=subprocess.PIPE)
    async with asyncio.timeout(60):
        _, said = await process.communicate()
    assert process.returncode in (0, -signal.SIGKILL), said.decode()
    return process.returncode


async def kill_and_finish(dsn: str, town: Town, folder: Path, point: str) -> None:
    """A process that dies at the point for each channel in turn, and then one that lives."""
    people = str(town.write_people(folder))
    for number, victim in enumerate((*VICTIMS, None)):
        orders = Orders(
            dsn=dsn,
            people=people,
            channels=town.channels(),
            start_us=samples.NOW + number * SECOND_US,
            point=point if victim is not None else "",
            victim=victim.value if victim is not None else "",
        )
        status = await send(orders)
        assert (status == -signal.SIGKILL) is (victim is not None), f"{point} of {victim} was never reached"


@pytest.mark.parametrize(("priority", "point"), [*((URGENT, point) for point in POINTS), (QUIET, "handed"), (QUIET, "taken")])
def test_everybody_is_told_once_when_the_process_is_killed_between_any_two_steps(
    database: str, tmp_path: Path, priority: int, point: str
) -> None:
    # Where the channel knows repeats, a second message has the id of the first. SMS does not: see `core.delivery`.
    sms = {("handed", QUIET): 0, ("taken", URGENT): 2}.get((point, priority), 1)
    repeats = 2 if point == "taken" else 1

    async def main() -> None:
        async with town_of() as town:
            await commit(database, samples.telling(priority=priority, lives_s=36_000))
            await kill_and_finish(database, town, tmp_path, point)
            assert [headers["Idempotency-Key"] for headers, _ in town.receiver.got] == [
                town.receiver.got[0][0]["Idempotency-Key"]
            ] * repeats
            assert [mail["Message-ID"] for mail in town.mail.mail] == [town.mail.mail[0]["Message-ID"]] * repeats
            assert len(town.smsc.submitted) == sms
            connection = await connect(database, "test")
            rows = await connection.fetch("SELECT channel, state FROM delivery ORDER BY channel")
            await connection.close()
            doubtful = point in ("handed", "taken") and priority == QUIET
            assert [tuple(row) for row in rows] == [
                ("mail", "sent"),
                ("sms", "unknown" if doubtful else "sent"),
                ("webhook", "sent"),
            ]

    asyncio.run(main())


def test_standby_goes_on_telling_when_the_active_process_is_killed(database: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with town_of(Receiver(*[503] * 2)) as town:
            channels = {f"channels.{key}": str(value) for key, value in msgspec.structs.asdict(town.channels()).items()}
            settings = {"centre.people": str(town.write_people(tmp_path)), **channels}
            with Service(tmp_path, database, settings=settings) as service:
                service.start()
                await service.ready()
                service.start()
                telling = samples.telling(to="person:hook", at_us=now_us())
                await write(database, telling)

                async def tried() -> bool:
                    return bool(town.receiver.got)

                await until(tried, "nobody was told")
                await service.kill_active()
                await service.ready()

                async def told() -> bool:
                    connection = await connect(database, "test")
                    state = await connection.fetchval("SELECT state FROM delivery")
                    await connection.close()
                    return bool(state == "sent")

                await until(told, "the standby told nobody")
                assert len({headers["Idempotency-Key"] for headers, _ in town.receiver.got}) == 1

    asyncio.run(main())


async def write(dsn: str, telling: Telling) -> None:
    """Puts a telling into the outbox of a running service, beside its batches."""
    connection = await connect(dsn, "test")
    await connection.copy_records_to_table("outbox", records=[outbox_row(telling)])
    await connection.execute("SELECT pg_notify($1, '')", BELL)
    await connection.close()
