"""Seeds of the simulation, and the bugs it must find.

`SEEDS` in the environment says how many seeds are run, `make sim SEEDS=500` sets it.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from core.vocabulary import Part
from tests.simulation.planted import BROKEN, PLANTED
from tests.simulation.run import SimulationError, simulate

SEEDS = int(os.environ.get("SEEDS") or 40)
BLOCK = 10
"""Seeds of one test: few enough to share them among processes."""
SEEDS_BROKEN = 6
"""Runs with a part that fails in every life."""
SEEDS_TO_FIND = 60
"""A planted bug must show within so many seeds."""


@pytest.mark.parametrize("first", range(1, SEEDS + 1, BLOCK))
def test_invariants_hold_whatever_goes_wrong(first: int) -> None:
    patrols = lost = found = 0
    for seed in range(first, min(first + BLOCK, SEEDS + 1)):
        world = simulate(seed)
        # A run in which nothing happens proves nothing.
        assert world.store.last_batch > 20, f"seed {seed} has committed {world.store.last_batch} batches only"
        assert world.store.incidents, f"seed {seed} has opened no incident"
        patrols += sum(world.checks.patrols.begun.values())
        lost += world.checks.crews.told
        found += world.checks.crews.withdrawn
    assert patrols, f"nothing was found of any patrol in the seeds from {first} on"
    assert lost and found, f"no crew was lost and found in the seeds from {first} on"


@pytest.mark.parametrize("bug", PLANTED)
def test_planted_bug_is_found(bug: str) -> None:
    with PLANTED[bug]():
        for seed in range(1, SEEDS_TO_FIND + 1):
            try:
                simulate(seed)
            except SimulationError as found:
                assert f"make sim SEED={seed}" in str(found)
                return
    pytest.fail(f"{SEEDS_TO_FIND} seeds have not shown that {bug}")


@pytest.mark.parametrize("part", BROKEN)
def test_centre_lives_on_without_a_part_on_which_the_engine_fails(part: Part) -> None:
    ended = 0
    with BROKEN[part]():
        for seed in range(1, SEEDS_BROKEN + 1):
            world = simulate(seed, is_forgiving=True)
            assert world.store.incidents, f"seed {seed} has opened no incident"
            told = [one.part for process in world.quarantines.values() for one in process.left_out]
            assert set(told) <= {part}
            ended += len(told)
    assert ended, f"{part.value} has never failed"


def test_seed_gives_the_same_run_in_any_process() -> None:
    told = {
        subprocess.run(
            [sys.executable, "-m", "tests.simulation", "4"],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert len(told) == 1, told
