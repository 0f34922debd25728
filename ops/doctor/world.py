"""What a check may look at: the configuration, the database, the clock; and how it waits for what may never answer.

Place in the flow: handed to every check of `jedel doctor`. Rules: nothing here changes anything. The embedded server is found
where it runs and never started; every connection to the database is read-only for PostgreSQL itself. What blocks runs in a
thread that nobody waits for at the end: a disk that hangs must not keep the doctor from telling so.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from core.instant import Micros
from ops.clock import now_us
from ops.config import Config
from ops.layers import Effective

if TYPE_CHECKING:
    import asyncpg

T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """What the checks see."""

    effective: Effective
    dsn: str
    """The centre's database; empty where the embedded server does not run."""
    file: Path | None = None
    """The file of the configuration, where there is one."""
    asks_channels: bool = False
    """Whether mail servers, SMSCs and receivers of webhooks may be connected to."""
    now_us: Callable[[], Micros] = field(default=now_us)
    """Reads this machine's clock."""

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self.effective.config

    @property
    def data_dir(self) -> Path:
        """The centre's folder on this machine, which need not exist yet."""
        return Path(self.config.database.data_dir)

    @asynccontextmanager
    async def database(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection that cannot write. Raises what asyncpg raises."""
        from storage import session

        connection = await session.connect(self.dsn, "doctor")
        try:
            await connection.execute("SET default_transaction_read_only = on")
            yield connection
        finally:
            connection.terminate()


async def aside(work: Callable[[], T]) -> T:
    """Runs what blocks in a thread of its own, which ends with the process whether or not it is done.

    Raises what `work` raises. Cancellation lets go of the thread.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def tell(set_outcome: Callable[[], None]) -> None:
        if not done.done():
            set_outcome()

    def run() -> None:
        try:
            result = work()
        except Exception as error:
            failure = error
            _call(loop, lambda: tell(lambda: done.set_exception(failure)))
        else:
            _call(loop, lambda: tell(lambda: done.set_result(result)))

    threading.Thread(target=run, name="doctor", daemon=True).start()
    return await done


def _call(loop: asyncio.AbstractEventLoop, what: Callable[[], None]) -> None:
    try:
        loop.call_soon_threadsafe(what)
    except RuntimeError:
        return  # the loop has been closed: nobody waits any more
