"""Clocks: this machine's beside the database's, whether anything sets it right, and whether time zones are today's.

Place in the flow: a check of `jedel doctor`. Terms run on the active process's clock; when a standby on another machine takes
over, its clock goes on where that one stopped (the centre's time never goes back), so the machines of a centre must agree.
Sources: adjtimex(2); the law by which all of Kazakhstan is at UTC+5 since 1 March 2024.
"""

from __future__ import annotations

import ctypes
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from core.instant import SECOND_US, Micros
from core.roster.local_time import zone_of
from ops.doctor.verdict import Verdict, fault, ok, warning
from ops.doctor.world import World
from storage.condition import read_clock

WARNING_US: Final = SECOND_US // 2
FAULT_US: Final = 5 * SECOND_US
"""Differences that a person notices in a log, and that move terms by a share of their length."""
_UNSYNCHRONISED: Final = 0x40
_ERROR_STATE: Final = 5
_TIMESYNC: Final = Path("/run/systemd/timesync/synchronized")
_SET_RIGHT: Final = "run chrony or systemd-timesyncd: timedatectl set-ntp true; chronyc tracking"


class _Timex(ctypes.Structure):
    """`struct timex` of adjtimex(2), as far as it is read; the rest is room for what the kernel writes."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 512),
    )


async def check_difference(world: World) -> list[Verdict]:
    """How far this machine's clock is from the database's."""
    differences: list[tuple[int, int]] = []
    async with world.database() as connection:
        for _ in range(5):
            before_us = world.now_us()
            theirs_us = await read_clock(connection)
            took_us = world.now_us() - before_us
            differences.append((took_us, theirs_us - before_us - took_us // 2))
    # The quickest answer has the least to guess.
    took_us, difference_us = min(differences)
    return [judge_difference(difference_us, took_us)]


def judge_difference(difference_us: int, took_us: int) -> Verdict:
    """What a difference of the clocks means.

    Args:
        difference_us: the database's clock less ours; positive where it is ahead.
        took_us: how long it took to ask, so how much of the difference may be the way.
    """
    surely_us = max(0, abs(difference_us) - took_us // 2)
    side = "ahead of" if difference_us > 0 else "behind"
    text = f"the database's clock is {abs(difference_us) / SECOND_US:.3f} s {side} this machine's"
    if surely_us > FAULT_US:
        return fault(text, f"on both machines {_SET_RIGHT}")
    if surely_us > WARNING_US:
        return warning(text, f"on both machines {_SET_RIGHT}")
    return ok(f"{text} (asked in {took_us / 1000:.1f} ms)")


async def check_synchronised(world: World) -> list[Verdict]:
    """Whether the kernel knows its clock to be set right by somebody, and whether the zones are those of today."""
    return [
        judge_kernel(*_ask_kernel(), has_timesync=_TIMESYNC.exists()),
        judge_zone(world.config.centre.time_zone, world.now_us()),
    ]


def _ask_kernel() -> tuple[int, int, int]:
    """State, status bits and greatest error in microseconds, of adjtimex(2); a negative state is minus the errno."""
    timex = _Timex()
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "adjtimex"):
        return -1, 0, 0
    state = libc.adjtimex(ctypes.byref(timex))
    return (-ctypes.get_errno() if state < 0 else state), timex.status, timex.maxerror


def judge_kernel(state: int, status: int, maxerror_us: int, *, has_timesync: bool) -> Verdict:
    """What the kernel's word about its clock means; arguments as of `adjtimex`, and whether timesyncd says it has set it."""
    if has_timesync and (state < 0 or state == _ERROR_STATE):
        return ok("the clock is kept right by systemd-timesyncd")
    if state < 0:
        return ok(f"whether the clock is kept right cannot be seen here ({os.strerror(-state)})")
    if state == _ERROR_STATE or status & _UNSYNCHRONISED:
        return warning("nothing keeps this machine's clock right, as far as the kernel knows", _SET_RIGHT)
    return ok(f"the clock is kept right; it may be off by {maxerror_us / 1000:.1f} ms")


def judge_zone(name: str, at_us: Micros) -> Verdict:
    """Whether the time-zone data know what has changed of late."""
    almaty = datetime(2025, 1, 1, tzinfo=UTC).astimezone(zone_of("Asia/Almaty")).utcoffset()
    if almaty is None or almaty.total_seconds() != 5 * 3600:
        return fault("the time-zone data are older than 2024: Almaty is an hour off", "pip install --upgrade tzdata")
    return ok(f"centre.time_zone = {name}: it is {local_text(at_us, name)} there")


def local_text(at_us: Micros, zone_name: str) -> str:
    """An instant as people of the centre read it."""
    return f"{datetime.fromtimestamp(at_us / SECOND_US, UTC).astimezone(zone_of(zone_name)):%Y-%m-%d %H:%M}"
