"""Trio and asyncio in one thread: Trio runs as a guest on the asyncio (uvloop) loop, and here the two call each other.

Sockets, WebSockets and PostgreSQL live on the host loop because there they are several times faster; tasks, deadlines and
shutdown live in Trio because there none can be forgotten. `host` starts both, `on_host` awaits something of asyncio's from a
Trio task, `Wake` lets a callback of asyncio's rouse a Trio task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import outcome
import trio

T = TypeVar("T")


def host(main: Callable[[], Awaitable[T]], loop_factory: Callable[[], asyncio.AbstractEventLoop]) -> T:
    """Runs a Trio main as guest on a new asyncio loop and returns its result. Raises what it raises.

    Args:
        main: the Trio program.
        loop_factory: makes the host loop, for example `uvloop.new_event_loop`.
    """

    async def both() -> T:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[outcome.Outcome[T]] = loop.create_future()
        trio.lowlevel.start_guest_run(
            main,
            run_sync_soon_threadsafe=loop.call_soon_threadsafe,
            run_sync_soon_not_threadsafe=loop.call_soon,
            done_callback=done.set_result,
            host_uses_signal_set_wakeup_fd=True,
        )
        return (await done).unwrap()

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(both())


async def on_host(work: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine of asyncio's on the host loop and waits for it from a Trio task.

    Cancelling the Trio task cancels the coroutine and waits until it has ended. Raises what the coroutine raises.
    """
    token = trio.lowlevel.current_trio_token()
    waiting = trio.lowlevel.current_task()
    job = asyncio.get_running_loop().create_task(work)

    def report(done: asyncio.Task[T]) -> None:
        # Read first and tell afterwards: a task's exception that nobody has read is complained about.
        result = outcome.capture(done.result)
        token.run_sync_soon(trio.lowlevel.reschedule, waiting, result)

    def abort(_: Callable[[], None]) -> trio.lowlevel.Abort:
        job.cancel()
        return trio.lowlevel.Abort.FAILED

    job.add_done_callback(report)
    try:
        return await trio.lowlevel.wait_task_rescheduled(abort)  # type: ignore[no-any-return]
    except asyncio.CancelledError:
        # Ours, because Trio cancelled this task; then this raises Trio's own word for it.
        await trio.lowlevel.checkpoint_if_cancelled()
        raise


class Wake:
    """A bell: rung from callbacks of either loop, waited for by one Trio task. Rings before the waiting are not lost."""

    def __init__(self) -> None:
        self._rung = trio.Event()
        self._token = trio.lowlevel.current_trio_token()
        self._asked = False

    def ring(self) -> None:
        """Rouses the waiting task. Cheap when it has been rung already."""
        if not self._asked:
            self._asked = True
            self._token.run_sync_soon(self._ring)

    def _ring(self) -> None:
        self._rung.set()

    async def wait(self, timeout_s: float) -> None:
        """Waits for a ring, at most this long."""
        with trio.move_on_after(timeout_s):
            await self._rung.wait()
        self._rung = trio.Event()
        self._asked = False
