"""Upkeep on a clock that costs nothing: every night once, missed nights made up for, failures tried again."""

from __future__ import annotations

from datetime import UTC, datetime, time

import pytest
import trio
from trio.testing import MockClock

from core.instant import SECOND_US, Micros, to_micros
from core.roster.local_time import zone_of
from ops.upkeep import PREPARE_S, RETRY_S, SETTLE_S, Nightly, Upkeep
from storage.errors import StorageError, StorageReason
from storage.partitions import Pruned

ALMATY = Nightly(time(3, 30), zone_of("Asia/Almaty"))
HOUR_S = 3600.0
DAY_S = 24 * HOUR_S


def at(text: str) -> Micros:
    return to_micros(datetime.fromisoformat(text).replace(tzinfo=UTC))


@pytest.mark.parametrize(
    ("zone", "instant", "following"),
    [
        ("Asia/Almaty", "2026-11-27 12:00", "2026-11-27 22:30"),
        ("Asia/Almaty", "2026-11-27 22:29:59", "2026-11-27 22:30"),
        ("Asia/Almaty", "2026-11-27 22:30", "2026-11-28 22:30"),
        ("Asia/Almaty", "2026-12-31 23:00", "2027-01-01 22:30"),
        # The clocks of Almaty went back that night: the night was an hour longer.
        ("Asia/Almaty", "2024-02-29 18:00", "2024-02-29 22:30"),
        ("Asia/Almaty", "2024-02-28 22:00", "2024-02-29 22:30"),
        # A local time that does not exist is the moment at which it would have been.
        ("Europe/Berlin", "2026-03-28 12:00", "2026-03-29 01:30"),
        ("UTC", "2026-03-28 12:00", "2026-03-29 03:30"),
    ],
)
def test_after_is_the_next_local_moment(zone: str, instant: str, following: str) -> None:
    assert Nightly(time(3, 30), zone_of(zone)).after(at(instant)) == at(following)


class Tables:
    """What upkeep is done on: notes when, and fails when it is told to."""

    def __init__(self, began: str, pruned: str | None) -> None:
        self.began_us = at(began)
        self.pruned_us = None if pruned is None else at(pruned)
        self.faults: list[StorageError | Pruned] = []
        """What the next calls come to, before they succeed."""
        self.tried: list[float] = []
        """When pruning was tried, in seconds since the life began."""
        self.done: list[float] = []
        self.prepared: list[float] = []
        self.vacuumed: list[float] = []
        self.vacuum_fails = False

    def now_us(self) -> Micros:
        return Micros(self.began_us + round(trio.current_time() * SECOND_US))

    async def prepare(self) -> None:
        self.prepared.append((self.now_us() - self.began_us) / SECOND_US)

    async def vacuum(self, now_us: Micros) -> list[str]:
        self.vacuumed.append((now_us - self.began_us) / SECOND_US)
        if self.vacuum_fails:
            raise StorageError(StorageReason.UNREACHABLE, "the database is away")
        return ["event_20261126"]

    async def prune(self, now_us: Micros) -> Pruned:
        self.tried.append((now_us - self.began_us) / SECOND_US)
        fault = self.faults.pop(0) if self.faults else Pruned(["event_20261028"], held=None)
        if isinstance(fault, StorageError):
            raise fault
        if fault.held is None:
            self.done.append(self.tried[-1])
            self.pruned_us = now_us
        return fault

    async def when_pruned(self) -> Micros | None:
        return self.pruned_us

    async def live(self, nightly: Nightly | None, seconds: float) -> None:
        upkeep = Upkeep(nightly, self.prepare, self.prune, self.vacuum, self.when_pruned, self.now_us)
        with trio.move_on_at(seconds):
            await upkeep.run()


# 03:30 in Almaty is 22:30 UTC; a life begins at noon UTC, ten and a half hours before.
NIGHT_S = 10.5 * HOUR_S


@pytest.mark.parametrize(
    ("pruned", "nights"),
    [
        (None, [NIGHT_S, NIGHT_S + DAY_S, NIGHT_S + 2 * DAY_S]),
        ("2026-11-26 22:30", [NIGHT_S, NIGHT_S + DAY_S, NIGHT_S + 2 * DAY_S]),
        ("2026-11-25 22:30", [SETTLE_S, NIGHT_S, NIGHT_S + DAY_S, NIGHT_S + 2 * DAY_S]),
        ("2031-01-01 00:00", [NIGHT_S, NIGHT_S + DAY_S, NIGHT_S + 2 * DAY_S]),
    ],
    ids=["never", "last night", "a night was missed", "by a clock that was far ahead"],
)
async def test_days_are_dropped_once_a_night(autojump_clock: MockClock, pruned: str | None, nights: list[float]) -> None:
    tables = Tables("2026-11-27 12:00", pruned)
    await tables.live(ALMATY, 3 * DAY_S)
    assert tables.done == pytest.approx(nights)
    assert tables.tried == tables.done == tables.vacuumed


async def test_what_fails_is_tried_again_until_it_is_done(autojump_clock: MockClock) -> None:
    tables = Tables("2026-11-27 12:00", None)
    tables.faults = [
        StorageError(StorageReason.UNREACHABLE, "the database is away"),
        Pruned(["position_20261028"], held="event_20261028"),
        StorageError(StorageReason.BUSY, "somebody does it by hand"),
    ]
    await tables.live(ALMATY, DAY_S)
    assert tables.tried == pytest.approx([NIGHT_S + tries * RETRY_S for tries in range(4)])
    assert tables.done == tables.tried[-1:] == tables.vacuumed


async def test_days_are_dropped_once_a_night_though_those_that_are_over_cannot_be_vacuumed(autojump_clock: MockClock) -> None:
    tables = Tables("2026-11-27 12:00", None)
    tables.vacuum_fails = True
    await tables.live(ALMATY, 2 * DAY_S)
    assert tables.tried == tables.done == tables.vacuumed == pytest.approx([NIGHT_S, NIGHT_S + DAY_S])


async def test_nothing_is_dropped_when_it_is_left_to_the_command(autojump_clock: MockClock) -> None:
    tables = Tables("2026-11-27 12:00", "2026-01-01 00:00")
    await tables.live(None, 3 * DAY_S)
    assert tables.tried == tables.vacuumed == []
    assert tables.prepared[:3] == pytest.approx([PREPARE_S, 2 * PREPARE_S, 3 * PREPARE_S])
