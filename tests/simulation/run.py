"""Runs one seed and, where it fails, tells everything that is needed to see it fail again."""

from __future__ import annotations

import subprocess
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from tests.simulation.world import World


class SimulationError(AssertionError):
    """A seed has failed; the text names it, the commit and the command, and tells the last steps."""


def simulate(seed: int, *, is_forgiving: bool = False) -> World:
    """Runs one seed to its end. Raises `SimulationError` from what went wrong.

    Args:
        seed: which.
        is_forgiving: as for `World`.
    """
    world = World(seed, is_forgiving=is_forgiving)
    try:
        world.run()
    except Exception as error:
        trace = "\n".join(world.agenda.trace)
        raise SimulationError(
            f"seed {seed} at commit {commit()}, step {world.agenda.steps}: {type(error).__name__}: {error}\n"
            f"faults: {world.faults}\n{trace}\n"
            f"seed {seed} fails: {type(error).__name__}: {error}\nreplay it: make sim SEED={seed}"
        ) from error
    return world


def digest(world: World) -> str:
    """A word that two runs share only when they have committed the same, byte by byte."""
    summed = sha256()
    for entry in world.store.log:
        summed.update(f"{entry.incident_id} {entry.version} {entry.at_us} {entry.actor} {entry.cause}".encode() + entry.body)
    for answer in world.store.answers.values():
        summed.update(f"{answer}".encode())
    for change in world.store.incidents.values():
        summed.update(change.view)
    return summed.hexdigest()[:16]


@lru_cache(maxsize=1)
def commit() -> str:
    """The git commit under test, with a mark when files have changed since."""
    here = Path(__file__).parent
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"], cwd=here, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return described.stdout.strip()
