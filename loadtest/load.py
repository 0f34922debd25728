"""`make load`: a short load run. The demo's city, speaking so many times as often, against a service and a database of its own.

Place in the flow: all around it. Ends with what was sent, how fast it was acknowledged and shown, what the stored log says when
it is replayed, and status 1 if anything was lost or does not agree. The load comes from the same machine: on two cores the
generator takes its share of them, so this proves that nothing is lost under pressure; how much a machine carries is measured by
`loadtest.bench`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import msgspec
import uvloop
from rich.console import Console
from rich.table import Table

from core.incident import fold
from loadtest.happening import Rates
from ops.demo import RATES, Verdict, demo_city, run_demo
from ops.demo_service import demo_service
from ops.demo_view import Frame
from storage.store import Store
from storage.verify import Finding


class Silent:
    """A view that shows nothing: the run is told of at its end."""

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def show(self, frame: Frame) -> None:
        """Nothing."""


def scaled(rates: Rates, times: float) -> Rates:
    """Everything so many times as often."""
    return Rates(**{name: value * times for name, value in msgspec.structs.asdict(rates).items()})


def run(seconds: float, times: float, seed: int) -> tuple[Verdict, list[Finding]]:
    """Runs the load and then verifies what is stored.

    Args:
        seconds: how long new events are sent.
        times: the demo's rates times this.
        seed: of the city and of what happens in it.

    Raises:
        OwnServiceError, StorageError: the service or its database cannot be run.
    """
    city = demo_city(seed)
    with tempfile.TemporaryDirectory(prefix="jedel-load-") as name:
        folder = Path(name)
        # The embedded server of a process run by root belongs to another user, who must be able to reach its files.
        folder.chmod(0o755)
        with demo_service(city, folder) as service:
            verdict = run_demo(service.centre, service.dsn, city, seconds, Silent(), seed=seed, rates=scaled(RATES, times))
            findings = uvloop.run(_verify(service.dsn))
    return verdict, findings


async def _verify(dsn: str) -> list[Finding]:
    store = await Store.open(dsn)
    try:
        return await store.verify(fold)
    finally:
        await store.close()


def as_table(verdict: Verdict, seconds: float) -> Table:
    """What came of a run, for a person."""
    result = verdict.outcome.result
    table = Table("what", "figure", title="load")
    for what, figure in (
        ("events sent", f"{result.sent} ({result.sent / seconds:.0f}/s)"),
        ("acknowledged", str(result.acked)),
        ("refused, each with its reason", str(result.rejected)),
        ("sent → acknowledged, p50 and p99", f"{result.ack_p50_us / 1000:.1f} ms, {result.ack_p99_us / 1000:.1f} ms"),
        ("call → client, p50 and p99", f"{result.seen_p50_us / 1000:.1f} ms, {result.seen_p99_us / 1000:.1f} ms"),
        ("calls and alarms seen in an incident", f"{result.seen} of {result.watched}"),
        ("settled after the last event in", f"{verdict.outcome.drained_s:.1f} s"),
        ("lost", str(verdict.lost)),
    ):
        table.add_row(what, figure)
    return table


def main() -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.load", description="A short load run that proves nothing is lost."
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="how long new events are sent")
    parser.add_argument("--times", type=float, default=10.0, help="so many times what the demo's city says")
    parser.add_argument("--seed", type=int, default=1, help="another seed is another city and another day")
    options = parser.parse_args()
    verdict, findings = run(options.seconds, options.times, options.seed)
    Console().print(as_table(verdict, options.seconds))
    for finding in findings:
        print(f"verify: {finding.check.value}: {finding.subject}: {finding.text}")
    print(verdict.line.replace("demo:", "load:", 1))
    return 1 if verdict.lost or findings else 0


if __name__ == "__main__":
    sys.exit(main())
