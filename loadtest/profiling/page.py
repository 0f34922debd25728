"""The page of profiles, `loadtest/PROFILE.md`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from loadtest.bench.machine import Run
from loadtest.bench.record import number
from loadtest.bench.results import markdown_table
from loadtest.profiling.areas import AREAS
from loadtest.profiling.sampling import Spent

_HEAD: Final = """\
# Where the time goes

Written by `make profile`. The processor time of the service's threads and of PostgreSQL is the kernel's account of rounds that
nobody looked at; how the service's time divides comes from other rounds, in which py-spy looked {rate} times a second at who
held the interpreter. What PostgreSQL, the load and the dispatch clients take is the other core's, where there is one.
"""


class Profile(msgspec.Struct, frozen=True):
    """What one benchmark's events cost."""

    name: str
    title: str
    event: str
    """What is counted, in the singular."""
    count: int
    spent: Spent
    rate_per_s: float
    """At which the events were carried."""
    looks: Mapping[str, int]
    """By the name of the area."""
    targets: Sequence[tuple[str, float]] = ()
    """What is aimed at, and how many events a second that is."""


def page(run: Run, profiles: Sequence[Profile], rate: int) -> str:
    """The page, of one run."""
    machine = f"{run.machine.cores} × {run.machine.cpu}, {run.machine.kernel}, Python {run.versions.get('Python', '')}"
    parts = [_HEAD.format(rate=rate), f"Measured {run.measured_on} at {run.commit} on {machine}.\n"]
    for one in profiles:
        parts += [f"## {one.title}\n", "\n".join(_told(one, run.machine.cores)) + "\n", _table(one)]
    return "\n".join(parts)


def _told(one: Profile, cores: int) -> Iterator[str]:
    deciding_us, others_us, database_us = (seconds / one.count * 1e6 for seconds in msgspec.structs.astuple(one.spent))
    sum_us = deciding_us + others_us + database_us
    yield (
        f"`{one.name}`: {number(one.rate_per_s)} a second. Processor time of one {one.event}: {number(deciding_us)} µs of the"
        f" thread that decides, {number(others_us)} µs of the service's other threads, {number(database_us)} µs of PostgreSQL."
    )
    held_us = deciding_us + others_us
    yield (
        f"The first two share one interpreter, which bounds it at {number(1e6 / held_us)} a second; were all of it shared"
        f" perfectly by {cores} cores, and the load free, the bound would be {number(cores * 1e6 / sum_us)}."
    )
    for what, per_s in one.targets:
        allowed_us = cores * 1e6 / per_s
        yield (
            f"{what} is {number(per_s)} a second, for which {cores} cores have {number(allowed_us)} µs; that is"
            f" {number(allowed_us / sum_us)} of what is spent."
        )


def _table(one: Profile) -> str:
    looks = sum(one.looks.values())
    service_us = (one.spent.deciding_s + one.spent.others_s) / one.count * 1e6
    rows = []
    for area in AREAS:
        share = one.looks.get(area.name, 0) / looks if looks else 0.0
        if share >= 0.001:
            rows.append((area.name, number(share * service_us), f"{share:.1%}", area.work, area.bound))
    columns = ("part", f"µs a {one.event}", "share", "what it does", "what cannot be avoided, and what is left")
    return markdown_table(columns, ("---", "---:", "---:", "---", "---"), rows)
