"""The two loops in one thread: Trio as guest on a real uvloop, calling each other, cancelling, failing, ringing."""

from __future__ import annotations

import asyncio

import pytest
import trio
import trio.lowlevel
import uvloop

from core.bridge import Wake, host, on_host


def test_host_when_main_returns_gives_its_result() -> None:
    async def main() -> str:
        await trio.lowlevel.checkpoint()
        return type(asyncio.get_running_loop()).__module__

    assert host(main, uvloop.new_event_loop).startswith("uvloop")


def test_host_when_main_raises_raises_it() -> None:
    async def main() -> None:
        await trio.lowlevel.checkpoint()
        raise KeyError("from trio")

    with pytest.raises(KeyError, match="from trio"):
        host(main, uvloop.new_event_loop)


def test_on_host_when_asyncio_answers_gives_it_to_trio() -> None:
    async def work(number: int) -> int:
        await asyncio.sleep(0)
        return number * 2

    async def main() -> list[int]:
        results: list[int] = []

        async def ask(number: int) -> None:
            results.append(await on_host(work(number)))

        async with trio.open_nursery() as nursery:
            for number in range(50):
                nursery.start_soon(ask, number)
        return sorted(results)

    assert host(main, uvloop.new_event_loop) == [number * 2 for number in range(50)]


def test_on_host_when_asyncio_raises_raises_it_in_trio() -> None:
    async def work() -> None:
        raise ConnectionResetError("gone")

    async def main() -> str:
        try:
            await on_host(work())
        except ConnectionResetError as error:
            return str(error)
        return "nothing was raised"

    assert host(main, uvloop.new_event_loop) == "gone"


def test_on_host_when_trio_cancels_waits_until_the_coroutine_has_ended() -> None:
    story: list[str] = []

    async def work() -> None:
        try:
            story.append("begun")
            await asyncio.get_running_loop().create_future()
        finally:
            await asyncio.sleep(0)
            story.append("ended")

    async def main() -> bool:
        with trio.move_on_after(0.01) as scope:
            await on_host(work())
        story.append("went on")
        return scope.cancelled_caught

    assert host(main, uvloop.new_event_loop)
    assert story == ["begun", "ended", "went on"]


def test_on_host_when_the_coroutine_ends_in_spite_of_being_cancelled_gives_its_result() -> None:
    async def stubborn() -> str:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            return "committed all the same"
        return "was never cancelled"

    async def main() -> str:
        result = "lost"
        with trio.move_on_after(0.01):
            result = await on_host(stubborn())
        return result  # noqa: RET504  # a cancelled scope goes on after it

    assert host(main, uvloop.new_event_loop) == "committed all the same"


def test_wake_when_rung_from_asyncio_rouses_trio_and_rings_before_are_not_lost() -> None:
    async def main() -> list[str]:
        told: list[str] = []
        wake = Wake()
        wake.ring()
        wake.ring()
        await wake.wait(3_600)
        told.append("rung before")
        asyncio.get_running_loop().call_soon(wake.ring)
        await wake.wait(3_600)
        told.append("rung by asyncio")
        await wake.wait(0)
        told.append("nobody rang")
        wake.ring()
        await wake.wait(3_600)
        return [*told, "rung again"]

    assert host(main, uvloop.new_event_loop) == ["rung before", "rung by asyncio", "nobody rang", "rung again"]
