"""`python -m loadtest.bench`: runs the benchmarks and reports them. `make bench` is the same.

--only NAME …   some of them
--quick         small sizes, to see that everything works; written to --out only
--out FOLDER    where bench.json and bench.md go (build)

A run that is not quick also writes its rows into loadtest/RESULTS.md and loadtest/results.json.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console

from loadtest import bench_assign, bench_copy
from loadtest.bench import (
    fanout,
    growth,
    health,
    history,
    latency,
    patrols,
    queue_peers,
    recovery,
    results,
    roads,
    sensors,
    terms,
    whole_calls,
)
from loadtest.bench.bed import Bed, bed
from loadtest.bench.machine import look
from loadtest.bench.record import Record, save, table
from loadtest.bench.scene import FULL, QUICK, Size, city

Benchmark = Callable[[Bed, Size], list[Record]]


def _assign(_: Bed, size: Size) -> list[Record]:
    return msgspec.convert(bench_assign.run(quick=size is QUICK), list[Record])


def _copy(_: Bed, size: Size) -> list[Record]:
    return msgspec.convert(bench_copy.run(quick=size is QUICK), list[Record])


BENCHMARKS: Final[dict[str, Benchmark]] = {
    "ingest_sensor": sensors.run,
    "ingest_call": whole_calls.run,
    "latency": latency.run,
    "fanout": fanout.run,
    "health": health.run,
    "growth": growth.run,
    "recovery": recovery.run,
    "assign": _assign,
    "roads": roads.run,
    "copy": _copy,
    "patrol": patrols.run,
    "terms": terms.run,
    "history": history.run,
}


def main() -> int:
    """Runs what the command line asks for; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.bench", description="Speed and memory of jedel.")
    parser.add_argument("--only", nargs="+", choices=list(BENCHMARKS), default=list(BENCHMARKS), metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that everything works; RESULTS.md stays")
    parser.add_argument("--out", type=Path, default=Path("build"), help="folder of bench.json and bench.md")
    asked = parser.parse_args()
    size = QUICK if asked.quick else FULL
    console = Console()
    records: list[Record] = []
    with tempfile.TemporaryDirectory(prefix="jedel-bench-") as folder, bed(Path(folder)) as stand:
        run = look(Path(folder), stand.postgresql_version())
        console.print("importing the city …")
        stand.import_city(city(size))
        for name in asked.only:
            console.print(f"{name} …")
            began = time.monotonic()
            rows = results.stamped(BENCHMARKS[name](stand, size), name, run)
            records += rows
            save(records, asked.out)
            if not asked.quick:
                # Each at once: a later benchmark that fails costs nobody an hour's figures.
                results.write(run, rows)
            console.print(f"{name}: {time.monotonic() - began:.0f} s")
    console.print(table(records))
    for sentence in queue_peers.left_out() if "ingest_call" in asked.only else ():
        console.print(sentence, style="bold red")
    return 0


if __name__ == "__main__":
    sys.exit(main())
