"""What systemd is told of the process: that it is ready, what it is doing, that it stops, and again and again that it lives.

Place in the flow: beside it. Rules: without NOTIFY_SOCKET nothing is told, and that is no fault. A standby is ready: it is what
it shall be. That it lives is told by way of both loops, so one that stands still is noticed, whichever it is.
Source: sd_notify(3) and sd_watchdog_enabled(3) of systemd.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import trio

READY: Final = "READY=1"
STOPPING: Final = "STOPPING=1"
ALIVE: Final = "WATCHDOG=1"


class Notifier:
    """The way to systemd, of a process that it may or may not have started.

    Args:
        environment: the process's variables, of which NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID are read.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        path = environment.get("NOTIFY_SOCKET", "")
        # An abstract socket, which has no file, is written with an @.
        self._address = f"\0{path[1:]}" if path.startswith("@") else path
        period_us = environment.get("WATCHDOG_USEC", "")
        ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self._alive_s = int(period_us) / 2_000_000 if period_us.isdigit() and ours and path else None
        self._timer: asyncio.TimerHandle | None = None

    def tell(self, *assignments: str) -> None:
        """Sends assignments such as `READY`, or `STATUS=` and a text for `systemctl status`. Never waits and never raises."""
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as way:
            way.setblocking(False)
            way.sendto("\n".join(assignments).encode(), self._address)

    def watch(self) -> None:
        """From now on tells twice in each period of the watchdog that the process lives. Called in Trio, on the host loop."""
        if self._alive_s is not None:
            self._turn(asyncio.get_running_loop(), trio.lowlevel.current_trio_token(), self._alive_s)

    def _turn(self, loop: asyncio.AbstractEventLoop, token: trio.lowlevel.TrioToken, alive_s: float) -> None:
        # The host loop turns, for it has called us, and Trio does when it calls what it is handed.
        token.run_sync_soon(self.tell, ALIVE)
        self._timer = loop.call_later(alive_s, self._turn, loop, token, alive_s)

    def end(self) -> None:
        """Tells nothing more by itself."""
        if self._timer is not None:
            self._timer.cancel()
