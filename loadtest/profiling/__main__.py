"""`python -m loadtest.profiling`: profiles the service under three benchmarks and writes `loadtest/PROFILE.md`.

--only NAME …   some of them; the page then has these alone, so it goes to --out
--quick         small sizes, to see that everything works; goes to --out
--out FILE      where it goes otherwise (build/profile.md)

`make profile` is all of them. py-spy must be allowed to look at a process of ours: root may, or `kernel.yama.ptrace_scope=0`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Final

from loadtest.bench import fanout, results, scene, sensors, whole_calls
from loadtest.bench.bed import BASE, CLIENT_TOKEN, Bed, Running, bed
from loadtest.bench.children import apart, beside
from loadtest.bench.load import LoadError
from loadtest.bench.machine import look
from loadtest.bench.pace import Play, Played
from loadtest.bench.watcher import READY, watch
from loadtest.profiling.page import Profile, page
from loadtest.profiling.sampling import RATE_PER_S, SamplingError, Spent, sampled, shares, spent

PAGE: Final = Path(__file__).resolve().parents[1] / "PROFILE.md"
OUT: Final = Path("build/profile.md")
DATABASE: Final = "profile"
FANOUT_PER_S: Final = 40.0
"""Well below what is held: what one delivery costs, and not how it queues."""
FANOUT_S: Final = 8.0


class _Account:
    """Rounds of one benchmark: those that are counted, and those that are looked at."""

    def __init__(self, folder: Path, postmaster_pid: int) -> None:
        self._file = folder / "py-spy.txt"
        self._postmaster_pid = postmaster_pid
        self.count = 0
        self.spent = Spent(0.0, 0.0, 0.0)
        self.rates: list[float] = []
        self.looks: Counter[str] = Counter()

    def counted(self, service: Running, count: int, play: Callable[[], float]) -> None:
        """A round that nobody looks at; `play` returns its events a second."""
        before = spent(service.pid, self._postmaster_pid)
        rate_per_s = play()
        self.spent += spent(service.pid, self._postmaster_pid).since(before)
        self.count += count
        self.rates.append(rate_per_s)

    def looked_at(self, service: Running, play: Callable[[], float]) -> None:
        """A round whose rate counts for nothing."""
        with sampled(service.pid, self._file):
            play()
        self.looks += shares(self._file.read_text(encoding="utf-8"))
        self._file.unlink()

    def profile(self, name: str, title: str, event: str, targets: tuple[tuple[str, float], ...] = ()) -> Profile:
        """What came of them."""
        return Profile(name, title, event, self.count, self.spent, median(self.rates), dict(self.looks), targets)


def _sensors(stand: Bed, size: scene.Size) -> Profile:
    account = _Account(stand.folder, stand.postmaster_pid)
    stand.make(DATABASE, BASE)
    with stand.serving(DATABASE) as service:
        apart(sensors.send_round, service.ingest, size, 0)
        for number in range(1, 2 * size.rounds + 1):

            def play(number: int = number) -> float:
                return apart(sensors.send_round, service.ingest, size, number)

            if number % 2:
                account.counted(service, size.sensor_events, play)
            else:
                account.looked_at(service, play)
    return account.profile("ingest_sensor", "A plate read", "event")


def _calls(stand: Bed, size: scene.Size) -> Profile:
    account = _Account(stand.folder, stand.postmaster_pid)
    for number in range(2 * size.rounds):
        # Each round has all crews free, as the benchmark's have.
        stand.make(DATABASE, BASE)
        with stand.serving(DATABASE) as service, beside(watch, service.dispatch_url, CLIENT_TOKEN) as client:
            if client.recv() != READY:
                raise LoadError("the dispatch client was not let in")
            apart(whole_calls.crews_report, service.ingest, size)

            def play(service: Running = service, number: int = number) -> float:
                began_ns, acked_ns = apart(whole_calls.send_round, service.ingest, size, number)
                return size.calls / (acked_ns - began_ns) * 1e9

            if number % 2:
                account.looked_at(service, play)
            else:
                account.counted(service, size.calls, play)
    peer = {row.name: row.baseline_value for row in results.read().rows}.get("ingest_call", 0.0)
    targets = tuple((f"{times} times the FastAPI service of RESULTS.md", times * peer) for times in (12, 20) if peer)
    return account.profile("ingest_call", "A call", "call", targets)


def _fanout(stand: Bed, size: scene.Size) -> Profile:
    account = _Account(stand.folder, stand.postmaster_pid)
    clients = fanout.SERVICE_CLIENTS
    stand.make(DATABASE, BASE)
    with stand.serving(DATABASE) as service:
        apart(fanout.report_for_duty, service.ingest, size)
        with fanout.reading(service.dispatch, CLIENT_TOKEN, clients) as deliver:

            def play() -> float:
                asked = Play(time.time_ns() // 1_000, round(FANOUT_PER_S * FANOUT_S), FANOUT_PER_S)
                deliver(asked, Played(apart(fanout.send_positions, service.ingest, size, asked), 0.0))
                return FANOUT_PER_S * clients

            for _ in range(size.rounds):
                account.counted(service, round(FANOUT_PER_S * FANOUT_S) * clients, play)
                account.looked_at(service, play)
    return account.profile("fanout_service_1000", f"A delivery to one of {clients:,} clients", "delivery")


PROFILES: Final[dict[str, Callable[[Bed, scene.Size], Profile]]] = {
    "ingest_sensor": _sensors,
    "ingest_call": _calls,
    "fanout": _fanout,
}


def main() -> int:
    """Runs what the command line asks for; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.profiling", description="Where each microsecond goes.")
    parser.add_argument("--only", nargs="+", choices=list(PROFILES), default=list(PROFILES), metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that everything works")
    parser.add_argument("--out", type=Path, default=OUT, help="file of what is not everything at full size")
    asked = parser.parse_args()
    size = scene.QUICK if asked.quick else scene.FULL
    file = PAGE if not asked.quick and len(asked.only) == len(PROFILES) else asked.out
    try:
        with tempfile.TemporaryDirectory(prefix="jedel-profile-") as folder, bed(Path(folder)) as stand:
            run = look(Path(folder), stand.postgresql_version())
            stand.import_city(scene.city(size))
            profiles = []
            for name in asked.only:
                print(f"{name} …", flush=True)
                profiles.append(PROFILES[name](stand, size))
    except SamplingError as error:
        print(f"profile: {error}", file=sys.stderr)
        return 1
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(page(run, profiles, RATE_PER_S), encoding="utf-8")
    print(f"profile: {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
