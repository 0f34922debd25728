"""`python -m tests.simulation SEED…`: runs these seeds and tells what came of each; the whole story of one that fails."""

from __future__ import annotations

import sys

from tests.simulation.run import SimulationError, digest, simulate


def main(seeds: list[int]) -> int:
    """Runs the seeds. Returns the exit status."""
    failed = 0
    for seed in seeds:
        try:
            world = simulate(seed)
        except SimulationError as error:
            failed += 1
            sys.stdout.write(f"{error}\n")
        else:
            store = world.store
            sys.stdout.write(
                f"seed {seed}: {world.agenda.steps} steps, {world.checks.made} checks, {len(store.events)} events, "
                f"{len(store.incidents)} incidents, {store.last_batch} batches in {store.epoch} lives; {digest(world)}\n"
            )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main([int(argument) for argument in sys.argv[1:]] or [1]))
