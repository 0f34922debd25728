"""How much room there is: on the disks under the centre's folders, and what the database takes of its own.

Place in the flow: beside it, for the metrics; a Trio task for as long as the process, and one for as long as a life. Rules:
- Nothing of it is asked on a call's path or by a scrape: a disk that does not answer keeps a thread of its own waiting and
  nobody else, a database that does not answer costs one connection for a while.
- What cannot be known is not shown, nor what was known of a disk that answers no more, and why is logged once, until there is
  another reason; nothing that fails here ever ends a life.
- Of PostgreSQL's own folders only those count that lie on this machine and may be seen.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
import trio

from core.bridge import on_host
from storage import session
from storage.condition import Space, read_space
from storage.errors import DRIVER_ERRORS, StorageError, translate

LOOK_S: Final = 10.0
"""Between two looks at the disks: a call to the system each, and a flood of events may write a gigabyte in a minute."""
MISSED_S: Final = 3 * LOOK_S
"""For how long what was seen last is shown while a look gets no answer: a disk may be slow for a moment, and figures that stand
still would look alive."""
ASK_S: Final = 300.0
"""Between two questions to the database: the server looks at every file of it for the answer, and it grows by the hour."""
ASK_TIMEOUT_S: Final = 30.0
_WAL: Final = "pg_wal"

_log = structlog.get_logger("room")


class Folder(Enum):
    """Whose disk it is; the label of the metrics."""

    DATA = "data"
    """`database.data_dir`: the embedded server's, or what jedel writes beside a server elsewhere."""
    DATABASE = "database"
    """The data directory of the server."""
    WAL = "wal"
    """Its WAL, which may have a disk of its own."""


class Disk(msgspec.Struct, frozen=True):
    """The file system that a folder lies on."""

    device: int
    """The system's number of it."""
    free_bytes: int
    """For those who are not root."""
    size_bytes: int


class Room:
    """What was seen last. Read from any thread: what it shows is replaced, never changed."""

    def __init__(self) -> None:
        self.disks: dict[Folder, Disk] = {}
        """Those that could be looked at; a disk that holds several folders is there once, as the first of them."""
        self.space: Space | None = None
        """What the database takes; None where it could not be asked, and in a process that is not the active one."""
        self._mute: dict[Folder, str] = {}
        """Folder → why it could not be looked at, as it was logged."""

    async def watch_disks(self, data_dir: Path) -> None:
        """Looks at the disks until cancelled."""
        # One thread, however long a disk may keep it.
        limiter = trio.CapacityLimiter(1)
        await self.follow_disks(
            lambda: trio.to_thread.run_sync(self.look, data_dir, abandon_on_cancel=True, limiter=limiter),
        )

    async def follow_disks(self, looked: Callable[[], Awaitable[dict[Folder, Disk]]]) -> None:
        """As `watch_disks`, of whoever looks."""
        while True:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._miss_disks)
                self.disks = await looked()
                nursery.cancel_scope.cancel()
            await trio.sleep(LOOK_S)

    async def _miss_disks(self) -> None:
        """Shows no disk when a look has had no answer for `MISSED_S`; the look itself cannot be ended."""
        await trio.sleep(MISSED_S)
        self.disks = {}
        _log.warning("a disk does not answer", waited_s=MISSED_S, consequence="the room on the disks is not shown")

    async def watch_database(self, dsn: str) -> None:
        """Asks the database until cancelled; from then on nothing is known of it."""
        await self.follow(lambda: on_host(ask(dsn)))

    async def follow(self, asked: Callable[[], Coroutine[Any, Any, Space]]) -> None:
        """As `watch_database`, of whoever answers. What is asked may raise `StorageError`."""
        logged = ""
        try:
            while True:
                try:
                    self.space = await asked()
                    logged = ""
                except StorageError as error:
                    self.space = None
                    if logged != error.reason.value:
                        logged = error.reason.value
                        _log.warning("the database's size is not known", reason=logged, again_s=ASK_S)
                except Exception as error:
                    # A figure is missing; nobody's call may wait for another life because of it.
                    self.space = None
                    if logged != repr(error):
                        logged = repr(error)
                        _log.exception("the database's size is not known", again_s=ASK_S)
                await trio.sleep(ASK_S)
        finally:
            self.space = None

    def look(self, data_dir: Path) -> dict[Folder, Disk]:
        """The disks as they are now, each once. Runs in a thread; what cannot be looked at is left out and logged once."""
        found: dict[Folder, Disk] = {}
        for folder, path in self._folders(data_dir).items():
            try:
                disk = disk_of(path)
                if all(disk.device != other.device for other in found.values()):
                    found[folder] = disk
                self._mute.pop(folder, None)
            except OSError as error:
                reason = error.strerror or str(error)
                if self._mute.get(folder) != reason:
                    self._mute[folder] = reason
                    _log.warning("a disk's room is not known", folder=folder.value, reason=reason)
        return found

    def _folders(self, data_dir: Path) -> dict[Folder, Path]:
        space = self.space
        if space is None or space.folder is None or not is_here(space.major, Path(space.folder)):
            return {Folder.DATA: data_dir}
        server = Path(space.folder)
        return {Folder.DATA: data_dir, Folder.DATABASE: server, Folder.WAL: server / _WAL}


def disk_of(path: Path) -> Disk:
    """The file system of a folder, or of the one that it would be made in. Raises `OSError`."""
    while not path.exists() and path != path.parent:
        path = path.absolute().parent
    seen = os.statvfs(path)
    return Disk(path.stat().st_dev, seen.f_bavail * seen.f_frsize, seen.f_blocks * seen.f_frsize)


def is_here(major: int, folder: Path) -> bool:
    """Whether a folder is the data directory of a server of that version, and on this machine: its `PG_VERSION` says so."""
    with suppress(OSError, UnicodeDecodeError):
        return (folder / "PG_VERSION").read_text(encoding="ascii").strip() == str(major)
    return False


async def ask(dsn: str) -> Space:
    """What the database takes now, by a connection of its own. Runs on the host loop. Raises `StorageError`."""
    try:
        connection = await session.connect(dsn, "room", ASK_TIMEOUT_S)
        try:
            return await read_space(connection)
        finally:
            session.cut(connection)
    except DRIVER_ERRORS as error:
        raise translate(error) from error
