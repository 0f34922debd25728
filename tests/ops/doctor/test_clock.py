"""A clock that is off is told, as far as the difference is not the way to the database and back."""

from __future__ import annotations

import errno
from datetime import UTC, datetime

import pytest

from core.instant import SECOND_US, to_micros
from ops.doctor import clock
from tests.ops.doctor.worlds import has, look, said, world


@pytest.mark.parametrize(
    ("ahead_us", "parts"),
    [
        (0, ("ok: the database's clock is 0.0", "asked in")),
        (-2 * SECOND_US, ("warning:", "ahead of this machine's", "timedatectl set-ntp true")),
        (30 * SECOND_US, ("fault:", "behind this machine's", "timedatectl set-ntp true")),
    ],
)
def test_difference_to_the_database_is_told(database: str, ahead_us: int, parts: tuple[str, ...]) -> None:
    assert has(look(clock.check_difference, world(dsn=database, ahead_us=ahead_us)), *parts)


def test_difference_that_may_be_the_way_is_no_fault() -> None:
    assert clock.judge_difference(SECOND_US, 2 * SECOND_US).grade.value == "ok"


@pytest.mark.parametrize(
    ("state", "status", "timesync", "parts"),
    [
        (0, 0, False, ("ok: the clock is kept right; it may be off by 1.5 ms",)),
        (5, 0x40, False, ("warning: nothing keeps this machine's clock right", "chrony")),
        (0, 0x40, False, ("warning: nothing keeps this machine's clock right",)),
        (5, 0x40, True, ("ok:", "systemd-timesyncd")),
        (-errno.EPERM, 0, False, ("ok:", "cannot be seen here", "Operation not permitted")),
    ],
)
def test_word_of_the_kernel_is_judged(state: int, status: int, timesync: bool, parts: tuple[str, ...]) -> None:
    assert has(said([clock.judge_kernel(state, status, 1500, has_timesync=timesync)]), *parts)


def test_this_machine_s_kernel_and_zones_are_read() -> None:
    kernel, zone = look(clock.check_synchronised, world())
    assert "clock" in kernel
    assert zone.startswith("ok: centre.time_zone = Asia/Almaty")


def test_zone_is_told_as_its_people_read_it() -> None:
    noon_us = to_micros(datetime(2026, 11, 27, 12, tzinfo=UTC))
    assert clock.judge_zone("Asia/Almaty", noon_us).text == "centre.time_zone = Asia/Almaty: it is 2026-11-27 17:00 there"
