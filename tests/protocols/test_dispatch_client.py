"""The Python client against a real hub: mirrors, breaks, resumes, and commands whose answers outlive a connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import uvloop

from core import limits
from core.commands import Accept, Close
from protocols.dispatch.client import DispatchClient, DispatchError, is_url
from protocols.dispatch.message import Answer, ContextReason, Filter
from tests.protocols.dispatch_centre import Centre, until
from tests.protocols.dispatch_world import answer, batch, context, crew, incident, position


def run(story: Callable[[Centre], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with Centre() as centre:
            await asyncio.wait_for(story(centre), 60)

    uvloop.run(whole())


def client_of(centre: Centre, token: str = "d") -> DispatchClient:
    return DispatchClient(centre.url, token, name="test", retry_s=0.001)


def test_feed_yields_what_changes() -> None:
    async def story(centre: Centre) -> None:
        centre.commit(batch(1, [incident(1), incident(2)], crews=[crew("P-1")], positions=[position("P-1")]))
        async with client_of(centre) as client:
            assert client.welcome is not None
            feed = client.subscribe("map", positions=True)
            await feed.synced()
            updates = aiter(feed)
            first = await anext(updates)
            assert (first.reset, set(first.incidents), set(first.crews), set(first.positions)) == (
                True,
                {1, 2},
                {"P-1"},
                {"P-1"},
            )
            centre.commit(batch(2, [incident(1, 2, closed=True), incident(3)]))
            second = await anext(updates)
            assert (second.reset, set(second.incidents), second.removed) == (False, {1, 3}, {1})
            assert feed.mirror.versions == {2: 1, 3: 1}
            client.unsubscribe(feed)
            with pytest.raises(StopAsyncIteration):
                await anext(updates)

    run(story)


def test_broken_connection_is_resumed_without_gap_or_repeat() -> None:
    async def story(centre: Centre) -> None:
        async with client_of(centre) as client:
            feed = client.subscribe("map")
            await feed.synced()
            for number in range(1, 200):
                centre.commit(batch(number, [incident(number), incident(1_000 + number)]))
                if number % 20 == 0:
                    client.cut()
                await asyncio.sleep(0)
            await until(lambda: feed.mirror.cursor == 199)
            assert feed.mirror.versions == dict.fromkeys([*range(1, 200), *range(1_001, 1_200)], 1)
            assert client.connections > 1
            # Each incident came once, over however many connections; the snapshot was empty.
            assert feed.views == 2 * 199

    run(story)


def test_command_waits_for_its_answer_over_a_break() -> None:
    async def story(centre: Centre) -> None:
        async with client_of(centre) as client:
            command = Close(command_id="c1", incident=1, result="done")
            waiting = asyncio.create_task(client.command(command))
            await until(lambda: len(centre.orders) == 1)
            (before,) = centre.hub.sessions()
            client.cut()
            await until(lambda: any(one is not before and "c1" in one.asked for one in centre.hub.sessions()))
            # The hub remembers that the command has been handed over.
            assert [order.command for order in centre.orders] == [command]
            centre.commit(batch(1, commands=[answer("c1")]))
            assert await waiting == Answer(command_id="c1", done=True, incident=1, reason="", text="")

    run(story)


def test_more_commands_than_the_centre_holds_wait_for_their_turn() -> None:
    async def story(centre: Centre) -> None:
        async with client_of(centre) as client:
            room, more = limits.CLIENT_COMMANDS, 40
            commands = [Close(command_id=f"c{number}", incident=1, result="done") for number in range(room + more)]
            waiting = [asyncio.create_task(client.command(one)) for one in commands]
            await until(lambda: len(centre.orders) == room)
            # Who stops waiting for a command that is under way makes no room, and one that was not sent is not sent.
            waiting[0].cancel()
            waiting[-1].cancel()
            await until(lambda: waiting[0].done() and waiting[-1].done())
            for _ in range(20):
                await asyncio.sleep(0)
            assert len(centre.orders) == room
            assert client.errors == []
            centre.commit(batch(1, commands=[answer(one.command_id) for one in commands[: more // 2]]))
            await until(lambda: len(centre.orders) == room + more // 2)
            client.cut()
            await until(lambda: client.connections == 2 and len(centre.hub.sessions()[-1].asked) == room)
            centre.commit(batch(2, commands=[answer(one.command_id) for one in commands[: room + more // 2]]))
            await until(lambda: len(centre.orders) == room + more - 1)
            centre.commit(batch(3, commands=[answer(one.command_id) for one in commands]))
            done = await asyncio.gather(*waiting, return_exceptions=True)
            assert [type(one) for one in done] == [
                asyncio.CancelledError,
                *[Answer] * (room + more - 2),
                asyncio.CancelledError,
            ]
            assert commands[-1].command_id not in {order.command.command_id for order in centre.orders}
            assert client.errors == []

    run(story)


@pytest.mark.parametrize("command_id", ["", "c" * 65])
def test_command_whose_id_no_answer_could_name_is_refused_before_it_is_sent(command_id: str) -> None:
    async def story(centre: Centre) -> None:
        async with client_of(centre) as client:
            with pytest.raises(ValueError, match="command_id has"):
                await client.command(Close(command_id=command_id, incident=1, result="done"))
            waiting = asyncio.create_task(client.command(Close(command_id="c" * 64, incident=1, result="done")))
            await until(lambda: len(centre.orders) == 1)
            centre.commit(batch(1, commands=[answer("c" * 64)]))
            assert (await waiting).done

    run(story)


def test_context_is_waited_for_over_a_break_and_by_several() -> None:
    async def story(centre: Centre) -> None:
        async with client_of(centre) as client:
            waiting = [asyncio.create_task(client.context(2)) for _ in range(3)]
            await until(lambda: len(centre.questions) == 1)
            client.cut()
            await until(lambda: len(centre.questions) == 2)
            waiting.pop().cancel()
            centre.questions[1][2](context(2))
            assert await asyncio.gather(*waiting) == [context(2)] * 2
            # What was told is not kept: who asks again is told anew.
            again = asyncio.create_task(client.context(2))
            await until(lambda: len(centre.questions) == 3)
            centre.questions[2][2](ContextReason.UNKNOWN_INCIDENT)
            with pytest.raises(DispatchError, match="unknown_incident") as raised:
                await again
            assert raised.value.reason == ContextReason.UNKNOWN_INCIDENT.value

    run(story)


def test_refusals_are_raised_where_they_belong() -> None:
    async def story(centre: Centre) -> None:
        async with client_of(centre, "o") as client:
            with pytest.raises(DispatchError, match=r"forbidden \$\.body\.command"):
                await client.command(Accept(command_id="c1", incident=1, crew="P-1"))
            feed = client.subscribe("map", Filter(own=True))
            with pytest.raises(DispatchError, match=r"invalid_field \$\.filter\.own"):
                await feed.synced()

    run(story)


def test_wrong_token_is_raised_and_not_tried_again() -> None:
    async def story(centre: Centre) -> None:
        client = client_of(centre, "wrong")
        with pytest.raises(DispatchError, match="unauthorized"):
            async with client:
                pass
        assert client.connections == 1

    run(story)


def test_client_waits_for_a_centre_that_is_not_there_yet() -> None:
    told: list[tuple[bool, str]] = []

    async def whole() -> None:
        first = Centre()
        async with first:
            port = first.port
        client = DispatchClient(
            f"ws://127.0.0.1:{port}/dispatch/v1",
            "d",
            retry_s=0.001,
            retry_max_s=0.01,
            on_connection=lambda is_up, why: told.append((is_up, why)),
        )
        entering = asyncio.create_task(client.__aenter__())
        await until(lambda: bool(told))
        second = Centre()
        await second.hub.start("127.0.0.1", port)
        await asyncio.wait_for(entering, 20)
        assert client.welcome is not None
        await client.close()
        await second.hub.drain()

    uvloop.run(whole())
    # Each once, however often it was tried.
    assert [is_up for is_up, _ in told] == [False, True]
    assert "Connect call failed" in told[0][1]


def test_connection_that_breaks_is_told_of_once_and_so_is_its_comeback() -> None:
    told: list[tuple[bool, str]] = []

    async def story(centre: Centre) -> None:
        def tell(is_up: bool, why: str) -> None:
            told.append((is_up, why))

        async with DispatchClient(centre.url, "d", retry_s=0.001, on_connection=tell) as client:
            client.cut()
            await until(lambda: len(told) == 3)

    run(story)
    assert told == [(True, ""), (False, "the connection is gone"), (True, "")]


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("ws://127.0.0.1:7113/dispatch/v1", True),
        ("wss://centre.example/jedel/dispatch/v1", True),
        ("ws://[::1]:7113/dispatch/v1", True),
        ("tcp://127.0.0.1:7113/dispatch/v1", False),
        ("ws://127.0.0.1:7113", False),
        ("ws://127.0.0.1:port/dispatch/v1", False),
        ("127.0.0.1:7113", False),
    ],
)
def test_url_is_one_of_a_dispatch_client(url: str, good: bool) -> None:
    assert is_url(url) is good
    if not good:
        with pytest.raises(ValueError, match=r"is not ws://HOST:PORT/dispatch/v1 or wss://HOST:PORT/dispatch/v1$"):
            DispatchClient(url, "d")


def test_closing_ends_what_waits() -> None:
    async def story(centre: Centre) -> None:
        async with client_of(centre) as client:
            feed = client.subscribe("map")
            waiting = asyncio.create_task(client.command(Accept(command_id="c1", incident=1, crew="P-1")))
            looking = asyncio.create_task(client.context(1))
            await feed.synced()
            await until(lambda: len(centre.orders) == len(centre.questions) == 1)
        for task in (waiting, looking):
            with pytest.raises(DispatchError, match="closed"):
                await task
        assert [update.reset async for update in feed] == [True]
        await until(lambda: centre.hub.clients == 0)

    run(story)
