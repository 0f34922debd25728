"""The task that tells: woken by a commit, a bell and the end of a try, and held up by no dead server and no lost database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import trio
import trio.testing
import uvloop

from core import limits
from core.bridge import host, on_host
from core.category import load_categories
from core.decisions import Acknowledgement
from core.telling import Channel
from ops.clock import now_us
from ops.config import Centre, Channels, Config
from ops.telling import IDLE_S, SENT_CHANNELS, Teller, people_of, senders_of
from storage.outbox_view import retry
from storage.session import connect
from tests.adapters.smsc import SILENT
from tests.ops.telling_world import Town, commit, states, town_of
from tests.storage import samples

PATIENCE_S = 0.7 * IDLE_S
"""Whoever is only told because the task looks again by itself is told too late."""
OUTBOX_CONNECTIONS = "application_name = 'jedel outbox' AND datname = current_database()"


class Running:
    """A teller that runs, and the town it tells."""

    def __init__(self, town: Town, teller: Teller, dsn: str) -> None:
        self.town = town
        self.teller = teller
        self.dsn = dsn

    async def tell(self, key: str, to: str, priority: int = 2) -> None:
        """Commits a telling, and says so as the centre does."""
        telling = samples.telling(key, to=to, priority=priority, at_us=now_us())
        await on_host(commit(self.dsn, telling))
        self.teller.committed(samples.batch(1, tellings=[telling]))


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Waits for something that a server or the database is told of, which tells nobody here."""
    with trio.fail_after(PATIENCE_S):
        while not await holds():  # noqa: ASYNC110
            await trio.sleep(0.01)


def run(
    dsn: str,
    folder: Path,
    body: Callable[[Running], Awaitable[None]],
    change: Callable[[Channels], Channels] = lambda same: same,
) -> None:
    @asynccontextmanager
    async def town_on_host() -> AsyncIterator[Town]:
        # A context of asyncio's, entered and left by one of its tasks while Trio works in it.
        opened: asyncio.Future[Town] = asyncio.get_running_loop().create_future()
        close = asyncio.Event()

        async def keep() -> None:
            async with town_of() as town:
                opened.set_result(town)
                await close.wait()

        keeping = asyncio.get_running_loop().create_task(keep())

        async def wait() -> Town:
            return await opened

        async def end() -> None:
            close.set()
            await keeping

        yield await on_host(wait())
        with trio.CancelScope(shield=True):
            await on_host(end())

    async def main() -> None:
        async with town_on_host() as town:
            channels = change(town.channels())
            config = Config(centre=Centre(people=str(town.write_people(folder))), channels=channels)
            async with trio.open_nursery() as nursery:
                teller = Teller(config, dsn, people_of(config), load_categories(), now_us)
                nursery.start_soon(teller.run)
                await body(Running(town, teller, dsn))
                nursery.cancel_scope.cancel()

    host(main, uvloop.new_event_loop)


def test_people_are_told_when_a_batch_is_committed(database: str, tmp_path: Path) -> None:
    async def body(running: Running) -> None:
        town = running.town
        # The first may be met by the look at the start; for the others somebody has to be woken.
        for count in (1, 2, 3):
            await running.tell(f"step/{count}", "shift_lead")

            async def told(count: int = count) -> bool:
                return [len(town.receiver.got), len(town.mail.mail), len(town.smsc.submitted)] == [count] * 3

            await until(told)

    run(database, tmp_path, body)


def test_what_waits_from_an_earlier_life_is_told_at_the_start(database: str, tmp_path: Path) -> None:
    asyncio.run(commit(database, samples.telling("a", to="person:sms", at_us=now_us())))

    async def body(running: Running) -> None:
        async def told() -> bool:
            return len(running.town.smsc.submitted) == 1

        await until(told)

    run(database, tmp_path, body)


def test_next_channel_takes_over_without_waiting_to_be_woken(database: str, tmp_path: Path) -> None:
    async def body(running: Running) -> None:
        await running.tell("a", "duty_officer")

        async def told() -> bool:
            return len(running.town.mail.mail) == 1

        await until(told)

    run(database, tmp_path, body, lambda channels: msgspec.structs.replace(channels, sms_server=""))


def test_more_than_may_go_at_once_all_go(database: str, tmp_path: Path) -> None:
    count = 2 * limits.SENDS_AT_ONCE + 1

    async def body(running: Running) -> None:
        for number in range(count):
            await running.tell(f"sms/{number}", "person:sms")

        async def told() -> bool:
            return len(running.town.smsc.submitted) == count

        await until(told)

    run(database, tmp_path, body)


def test_server_that_does_not_answer_holds_up_no_other_channel(database: str, tmp_path: Path) -> None:
    async def body(running: Running) -> None:
        running.town.smsc.next = lambda _: SILENT
        for number in range(40):
            await running.tell(f"sms/{number}", "person:sms")

        async def stuck() -> bool:
            return len(running.town.smsc.submitted) == limits.SMS_WINDOW

        await until(stuck)
        await running.tell("mail", "person:mail")

        async def told() -> bool:
            return len(running.town.mail.mail) == 1

        await until(told)

    run(database, tmp_path, body)


def test_order_of_another_process_is_heard(database: str, tmp_path: Path) -> None:
    async def body(running: Running) -> None:
        town = running.town
        town.smsc.next = lambda _: 0x0B
        await running.tell("a", "person:sms")

        async def failed() -> bool:
            return (await on_host(states(database))).get(("sms", "sms"), ("", 0, ""))[0] == "failed"

        await until(failed)
        town.smsc.next = lambda _: 0

        async def order() -> None:
            connection = await connect(database, "test")
            assert await retry(connection, "a", now_us()) == 1
            await connection.close()

        await on_host(order())

        async def told() -> bool:
            return len(town.smsc.submitted) == 2

        await until(told)

    run(database, tmp_path, body)


def test_what_was_acknowledged_is_told_nobody_any_more(database: str, tmp_path: Path) -> None:
    async def body(running: Running) -> None:
        running.town.smsc.next = lambda _: 0x58  # throttled: tried again in a second or two
        await running.tell("incident/1/accept/1/step/0", "person:sms")

        async def tried() -> bool:
            return (await on_host(states(database))).get(("sms", "sms"), ("", 0, ""))[2] == "server_busy"

        await until(tried)
        acknowledged = [Acknowledgement("incident/1/accept/1", now_us())]
        running.teller.committed(msgspec.structs.replace(samples.batch(2), acknowledged=acknowledged))

        async def ended() -> bool:
            return (await on_host(states(database)))["sms", "sms"][0] == "cancelled"

        await until(ended)

    run(database, tmp_path, body)


def test_finish_waits_for_what_is_under_way_and_begins_nothing_more(database: str, tmp_path: Path) -> None:
    async def body(running: Running) -> None:
        receiver = running.town.receiver
        receiver.answers.clear()
        await running.tell("a", "person:hook")

        async def asked() -> bool:
            return len(receiver.got) == 1

        await until(asked)
        await running.teller.finish(0.01)  # patience ends before the answer
        assert (await on_host(states(database)))["hook", "webhook"][0] == "sending"
        await running.tell("b", "person:mail")
        finished = trio.Event()

        async def finish() -> None:
            await running.teller.finish(PATIENCE_S)
            finished.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(finish)
            await trio.testing.wait_all_tasks_blocked(0.01)
            assert not finished.is_set()
            receiver.answers.set()
        assert await on_host(states(database)) == {("hook", "webhook"): ("sent", 1, "")}
        assert running.town.mail.mail == []

    run(database, tmp_path, body)


def test_lost_database_is_asked_again(database: str, tmp_path: Path) -> None:
    async def body(running: Running) -> None:
        async def listens() -> bool:
            return await on_host(count_of("SELECT count(*) FROM pg_stat_activity WHERE " + OUTBOX_CONNECTIONS)) == 1

        await until(listens)
        await on_host(count_of("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE " + OUTBOX_CONNECTIONS))
        await running.tell("a", "person:sms")

        async def told() -> bool:
            return len(running.town.smsc.submitted) == 1

        await until(told)

    async def count_of(query: str) -> int:
        connection = await connect(database, "test")
        try:
            count: int = await connection.fetchval(query)
            return count
        finally:
            await connection.close()

    run(database, tmp_path, body)


def test_senders_are_those_that_have_a_server() -> None:
    assert senders_of(Channels(), now_us) == {}
    every = Channels(
        webhook_secret="s", mail_server="h:25", mail_from="a@b", sms_server="h:2775", sms_system_id="i", sms_from="J"
    )
    assert set(senders_of(every, now_us)) == set(SENT_CHANNELS) == set(Channel) - {Channel.DISPATCH}
