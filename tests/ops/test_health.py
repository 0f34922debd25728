"""Whether the process lives and whether it is ready, with a reason for each no."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Final

import pytest

from core import limits
from core.events import Chunk
from core.inlet import Inlet
from core.instant import Micros
from ops.health import ENGINE_FAULT, LOST, Health, State
from ops.pulse import HOST, TRIO, Pulse
from storage.errors import StorageError, StorageReason
from storage.writer import Attempt

FAILED: Final = Attempt(7, 3, StorageError(StorageReason.UNREACHABLE, "it is away"), 1.0)


def active() -> Health:
    health = Health(Pulse())
    health.became(State.ACTIVE)
    health.inlet = Inlet(capacity_bytes=10)
    return health


def reasons(health: Health) -> list[str]:
    verdict = health.ready()
    assert verdict.ok is (not verdict.reasons)
    assert all(no.text for no in verdict.reasons)
    return [no.reason for no in verdict.reasons]


def stuck(health: Health, loop: str, seconds: float) -> None:
    now_s = monotonic()
    health.pulse.beats = {HOST: now_s, TRIO: now_s, loop: now_s - seconds}


def fill(health: Health) -> None:
    assert health.inlet is not None
    health.inlet.offer(Chunk(source="s", received_us=Micros(0), items=[], raws=[b"0123456789"], last_seq=1, urgent=False))


def commit_for(health: Health, seconds: float) -> None:
    health.committing()
    health.commit_began_s = monotonic() - seconds


@pytest.mark.parametrize("state", [state for state in State if state is not State.ACTIVE])
def test_process_in_any_other_state_lives_and_is_not_ready(state: State) -> None:
    health = Health(Pulse())
    health.became(state)
    assert health.live().ok
    assert (health.ready().ok, reasons(health)) == (False, [state.value])


def test_active_process_is_ready() -> None:
    health = active()
    health.epoch = 4
    assert (health.ready().ok, health.ready().state, health.ready().epoch, reasons(health)) == (True, "active", 4, [])


@pytest.mark.parametrize(
    ("happens", "expected"),
    [
        (fill, ["inlet_full"]),
        (lambda health: health.failed(FAILED), ["database_away"]),
        (lambda health: commit_for(health, limits.COMMIT_STUCK_S + 1), ["commit_stuck"]),
        (lambda health: commit_for(health, limits.COMMIT_STUCK_S - 1), []),
        (lambda health: stuck(health, TRIO, limits.LOOP_STUCK_S + 1), ["loop_stuck"]),
        (lambda health: stuck(health, HOST, limits.LOOP_STUCK_S + 1), ["loop_stuck"]),
        (lambda health: stuck(health, HOST, limits.LOOP_STUCK_S - 1), []),
    ],
    ids=["inlet", "database", "commit", "commit at work", "trio", "host", "loop at work"],
)
def test_active_process_says_what_hinders_it(happens: Callable[[Health], None], expected: list[str]) -> None:
    health = active()
    happens(health)
    assert reasons(health) == expected
    assert health.live().ok is (expected != ["loop_stuck"])


def test_failed_commit_counts_until_one_succeeds() -> None:
    health = active()
    health.committing()
    health.failed(FAILED)
    assert health.failures[StorageReason.UNREACHABLE.value] == 1
    # It is known why the commit takes long, so that is not told twice.
    commit_for(health, limits.COMMIT_STUCK_S + 1)
    assert reasons(health) == ["database_away"]
    health.committed()
    assert (reasons(health), health.commit_s) == ([], 0.0)


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (LOST, ["starting", "database_away"]),
        (StorageReason.UNREACHABLE.value, ["starting", "database_away"]),
        (StorageReason.FENCED.value, ["starting"]),
        (ENGINE_FAULT, ["starting"]),
    ],
)
def test_life_that_ended_for_want_of_the_database_is_told_until_it_is_reached(reason: str, expected: list[str]) -> None:
    health = active()
    commit_for(health, 100.0)
    fill(health)
    health.ended(reason, "the connection is gone")
    health.became(State.STARTING)
    assert reasons(health) == expected
    health.became(State.STANDBY)
    assert reasons(health) == ["standby"]


def test_recovery_may_keep_the_loops_for_longer() -> None:
    health = active()
    stuck(health, TRIO, limits.LOOP_STUCK_S + 1)
    health.became(State.RECOVERING)
    assert health.live().ok
    stuck(health, TRIO, limits.RECOVERY_STUCK_S + 1)
    assert not health.live().ok
