"""`make soak`: a service under 70 % of the load that it can carry, for long: whether memory and latency stay as they are.

Place in the flow: all around it. A simulated city whose crews answer, arrive and clear, so that incidents end as fast as they
begin, is played by `loadtest.drive` in an open loop, with dispatch clients looking on. First a service of its own finds out how
much of the mix the machine carries, its generator on it: more and more is played for some seconds until the acknowledgements
take longer than they may. Then a fresh service is played 70 % of that, and its memory, its latencies and its database are
noted.

A centre remembers some things on purpose, each up to its bound, and grows until that is reached: closed incidents for clients
that resume (`limits.RESUME_CLOSED_BYTES`), earlier calls by number (six hours, but the city has few numbers), answers to
commands (`limits.COMMAND_MEMORY`). Under the load of a run of half an hour the warm-up sees these bounds reached.

What came of it is told, drawn into build/soak and, for a run of `WRITTEN_FROM_S` or longer, written into loadtest/RESULTS.md.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from statistics import median
from typing import Final

import asyncpg
import matplotlib as mpl
import msgspec
import uvloop
from matplotlib.figure import Figure

from core.vocabulary import IncidentState
from loadtest.bench import results
from loadtest.bench.bed import server_version
from loadtest.bench.children import apart, beside
from loadtest.bench.machine import look, versions
from loadtest.bench.record import Record, record, rounded
from loadtest.board import Board
from loadtest.city import City
from loadtest.crews import Habits
from loadtest.drive import Centre, drive
from loadtest.flatness import Trend, Verdict, trend
from loadtest.happening import Rates
from loadtest.ledger import Latencies, Ledger
from loadtest.processes import usage_of
from loadtest.script import CityScript
from loadtest.spectators import READY, spectate
from ops.demo_service import demo_service
from ops.own_service import ADDRESSES, DATA, Addresses

SEED: Final = 11
CREWS: Final = 4_000
PACE: Final = 120.0
"""The crews live so much faster than the clock: a job lasts seconds, so they end more incidents than the calls can open."""
HABITS: Final = Habits(
    accept_s=20.0, turnout_s=60.0, work_s=240.0, decline_share=0.03, silent_share=0.01, position_interval_s=2.0
)
RATES: Final = Rates(happenings=10.0, panels=0.5, plates=1_000.0, readings=100.0, analytics=0.5)
"""The mix; what is played is so many times this, with the positions of all crews beside it."""
CLIENTS: Final = 8
"""Who look on, beside the console that tells the crews."""
SHARE: Final = 0.7
FIRST_TIMES: Final = 1.0
STEP_TIMES: Final = 1.5
TIMES_MAX: Final = 64.0
PROBE_S: Final = 8.0
CONFIRM_S: Final = 60.0
"""For so long the load that the ladder found is played once more: by then PostgreSQL's upkeep has its share too."""
STEP_BACK: Final = 0.8
CARRIED_P99_MS: Final = 500.0
"""A load is carried while 99 % of the events are acknowledged within this,"""
QUEUED_SHARE: Final = 0.25
"""and no more than this share of the open incidents waits for a crew: crews that cannot keep up leave a queue that grows for as
long as is played, and a memory that grows with it."""
WARM_UP_SHARE: Final = 0.5
WARM_UP_MAX_S: Final = 900.0
"""At 120 commands a second their answers fill `limits.COMMAND_MEMORY` in 14 minutes, the last bound to be reached."""
MEMORY_TOLERANCE: Final = 0.02
"""Of the level an hour: what grows no faster counts as flat."""
LATENCY_TOLERANCE: Final = 0.25
SAMPLE_S: Final = 2.0
WRITTEN_FROM_S: Final = 600.0
OUT: Final = Path("build/soak")


class Interval(msgspec.Struct, frozen=True):
    """What the load saw since the interval before."""

    at_s: float
    """Its end, on the monotonic clock that all processes share."""
    ack_p50_ms: float
    ack_p99_ms: float
    seen_p50_ms: float
    seen_p99_ms: float
    under_way: int
    """Events sent and not yet acknowledged: what queues."""
    open_incidents: int
    queued_incidents: int
    """Those of them that wait for a crew."""
    sent: int


class Sample(msgspec.Struct, frozen=True):
    """What the service weighs."""

    at_s: float
    resident_mb: float
    database_mb: float


class Played(msgspec.Struct, frozen=True):
    """A play as its load saw it."""

    intervals: list[Interval]
    lost: int
    sent: int
    calls: int
    """And alarms: whatever must be seen in an incident."""


class Course(msgspec.Struct, frozen=True):
    """A whole run."""

    seconds: float
    times: float
    capacity_times: float
    played: Played
    samples: list[Sample]
    postgresql: str = ""
    """Version of the database."""


class Meter:
    """Takes the latencies of an interval out of the run's account, as `loadtest.drive` lets an observer see it."""

    def __init__(self, interval_s: float) -> None:
        self.intervals: list[Interval] = []
        self._interval_s = interval_s
        self._taken_s = 0.0

    def __call__(self, ledger: Ledger, board: Board, elapsed_s: float) -> None:
        """Takes an interval when it is over."""
        if elapsed_s - self._taken_s < self._interval_s:
            return
        self._taken_s = elapsed_s
        acks, ledger.ack_latency = ledger.ack_latency, Latencies()
        seen, ledger.seen_latency = ledger.seen_latency, Latencies()
        self.intervals.append(
            Interval(
                at_s=time.monotonic(),
                ack_p50_ms=acks.quantile_us(0.5) / 1e3,
                ack_p99_ms=acks.quantile_us(0.99) / 1e3,
                seen_p50_ms=seen.quantile_us(0.5) / 1e3,
                seen_p99_ms=seen.quantile_us(0.99) / 1e3,
                under_way=ledger.sent - ledger.acked,
                open_incidents=len(board.open),
                queued_incidents=sum(one.state is IncidentState.QUEUED for one in board.open.values()),
                sent=ledger.sent,
            )
        )


class Scales(threading.Thread):
    """Weighs the service and its database now and then."""

    def __init__(self, pid: int, dsn: str, every_s: float) -> None:
        super().__init__(daemon=True)
        self.samples: list[Sample] = []
        self._pid, self._dsn, self._every_s = pid, dsn, every_s
        self._ended = threading.Event()

    def run(self) -> None:
        """Until `stop`; ends with the service too."""
        while not self._ended.wait(self._every_s):
            try:
                resident_bytes = usage_of(self._pid).resident_bytes
                database_bytes = asyncio.run(_database_bytes(self._dsn))
            except (OSError, asyncpg.PostgresError):
                # The service or its database is gone, and the load tells of it.
                return
            self.samples.append(Sample(time.monotonic(), resident_bytes / 2**20, database_bytes / 2**20))

    def stop(self) -> list[Sample]:
        """Ends it and gives what was weighed."""
        self._ended.set()
        self.join()
        return self.samples


async def _database_bytes(dsn: str) -> int:
    connection = await asyncpg.connect(dsn, timeout=30)
    try:
        return int(await connection.fetchval("SELECT pg_database_size(current_database())"))
    finally:
        await connection.close()


def soak_city() -> City:
    """The city that is played."""
    return City(SEED, districts=8, streets=64, crews=CREWS, cameras=200, subscribers=5_000, panels=120)


def play(centre: Centre, seconds: float, times: float, interval_s: float) -> Played:
    """Plays the city for some seconds, so many times as busy as `RATES`. Raises what `drive` raises."""
    city = soak_city()
    meter = Meter(interval_s)
    rates = Rates(**{name: value * times for name, value in msgspec.structs.asdict(RATES).items()})
    outcome = uvloop.run(
        drive(
            centre,
            CityScript.SOURCES,
            lambda start_us, next_seq: CityScript(city, rates, SEED, start_us, next_seq, PACE, HABITS),
            seconds,
            observe=meter,
        )
    )
    result = outcome.result
    return Played(meter.intervals, result.lost, result.sent, result.watched)


def is_carried(played: Played) -> bool:
    """Whether a load could be played on and on."""
    # The first part of a play has the crews report for duty; it says nothing.
    p99_ms = median(one.ack_p99_ms for one in played.intervals[1:])
    last = played.intervals[-1]
    queued_max = QUEUED_SHARE * last.open_incidents
    print(
        f"{p99_ms:.0f} ms until 99 % are acknowledged, {played.lost} lost, {last.queued_incidents} of {last.open_incidents}"
        " incidents wait for a crew"
    )
    return not played.lost and p99_ms <= CARRIED_P99_MS and last.queued_incidents <= queued_max


def capacity_times(centre: Centre) -> float:
    """How many times the mix the machine carries, its generator on it."""

    def carries(times: float) -> bool:
        print(f"soak: {times:.2f} times the mix: ", end="", flush=True)
        return is_carried(apart(play, centre, PROBE_S, times, PROBE_S / 4))

    return climbed(carries)


def confirmed_times(city: City, folder: Path, times: float) -> float:
    """Plays a load for longer, and less of it until it is carried. Each time on a centre of its own: what a load that was too
    much has left behind would be counted against the next."""
    numbers = count()

    def carries(lower: float) -> bool:
        print(f"soak: {lower:.2f} times the mix, for {CONFIRM_S:.0f} s: ", end="", flush=True)
        with demo_service(city, folder / f"confirm-{next(numbers)}") as service:
            return is_carried(apart(play, service.centre, CONFIRM_S, lower, PROBE_S / 4))

    return descended(carries, times)


def climbed(carries: Callable[[float], bool]) -> float:
    """The last step of a ladder that is carried, up to `TIMES_MAX`; half the first one where not even that is."""
    carried = FIRST_TIMES / 2
    times = FIRST_TIMES
    while times <= TIMES_MAX and carries(times):
        carried, times = times, times * STEP_TIMES
    return carried


def descended(carries: Callable[[float], bool], times: float) -> float:
    """The first load that is carried on the way down; half the ladder's first step is carried unasked."""
    while times > FIRST_TIMES / 2 and not carries(times):
        times *= STEP_BACK
    return max(times, FIRST_TIMES / 2)


def soak(folder: Path, seconds: float) -> Course:
    """Finds the load and plays it. Raises what the service, its database and `drive` raise."""
    city = soak_city()
    with demo_service(city, folder / "probe") as service:
        capacity = capacity_times(service.centre)
    capacity = confirmed_times(city, folder, capacity)
    times = capacity * SHARE
    print(f"soak: {times:.2f} times the mix for {seconds:.0f} s")
    interval_s = max(SAMPLE_S, seconds / 360)
    with ExitStack() as stack:
        service = stack.enter_context(demo_service(city, folder / "soak"))
        looking = stack.enter_context(beside(spectate, service.centre.dispatch_url, service.centre.client_token, CLIENTS, True))
        if looking.recv() != READY:
            raise RuntimeError("the dispatch clients were not let in")
        scales = Scales(_pid_of(folder / "soak"), service.dsn, SAMPLE_S)
        scales.start()
        try:
            played = apart(play, service.centre, seconds, times, interval_s)
        finally:
            samples = scales.stop()
        postgresql = asyncio.run(server_version(service.dsn))
    return Course(seconds, times, capacity, played, samples, postgresql)


def _pid_of(folder: Path) -> int:
    return msgspec.json.decode((folder / DATA / ADDRESSES).read_bytes(), type=Addresses).pid


def judged(course: Course) -> tuple[list[Record], Trend]:
    """The rows of a run, and how its memory moves after the warm-up. Raises `ValueError` for a run that is too short."""
    intervals, samples = _settled(course)
    level_mb = median(one.resident_mb for one in samples)
    memory = trend([one.at_s for one in samples], [one.resident_mb for one in samples])
    tolerance_mb = MEMORY_TOLERANCE * level_mb
    per_s = course.played.sent / course.seconds
    load = (
        f"{course.seconds:,.0f} s of {per_s:,.0f} events a second, {course.played.calls / course.seconds:.1f} of them calls and"
        f" alarms, {CREWS:,} crews, {CLIENTS} clients: {SHARE:.0%} of what was carried; at most"
        f" {max(one.open_incidents for one in intervals):,} incidents open and {max(one.under_way for one in intervals):,}"
        f" events under way; {course.played.lost} lost"
    )
    third = len(samples) // 3
    first_mb, last_mb = ([one.resident_mb for one in part] for part in (samples[:third], samples[-third:]))
    rows = [
        record("soak_memory", last_mb, "MB", "the first third after the warm-up", first_mb, load),
        msgspec.structs.replace(
            record(
                "soak_memory_growth",
                [memory.per_hour],
                "MB/h",
                f"flat: {MEMORY_TOLERANCE:.0%} of the level",
                [tolerance_mb],
                memory.told(tolerance_mb, "MB"),
            ),
            spread=(rounded(memory.low), rounded(memory.high)),
        ),
    ]
    third = len(intervals) // 3
    for name, field in (("ack", "ack_p99_ms"), ("call_to_client", "seen_p99_ms")):
        values = [float(getattr(one, field)) for one in intervals]
        moves = trend([one.at_s for one in intervals], values)
        told = moves.told(LATENCY_TOLERANCE * moves.level, "ms")
        rows.append(
            record(f"soak_{name}_p99", values[-third:], "ms", "the first third after the warm-up", values[:third], told)
        )
    return rows, memory


def _settled(course: Course) -> tuple[list[Interval], list[Sample]]:
    """What was seen after the warm-up."""
    intervals, samples = course.played.intervals, course.samples
    if not intervals or not samples:
        raise ValueError("nothing was seen")
    warm_s = intervals[0].at_s + min(WARM_UP_MAX_S, WARM_UP_SHARE * course.seconds)
    ended_s = intervals[-1].at_s
    return (
        [one for one in intervals if one.at_s >= warm_s],
        [one for one in samples if warm_s <= one.at_s <= ended_s],
    )


def draw(course: Course, file: Path) -> None:
    """Draws a run over its time, as SVG. Raises `OSError`."""
    # The same run is the same file: no random ids, no date.
    with mpl.rc_context({"svg.hashsalt": "soak"}):
        figure = Figure(figsize=(9.0, 9.0), layout="constrained")
        memory, latency, queue, database = figure.subplots(4, 1, sharex=True)
        start_s = course.played.intervals[0].at_s
        sampled = [(one.at_s - start_s) / 60 for one in course.samples]
        seen = [(one.at_s - start_s) / 60 for one in course.played.intervals]
        memory.plot(sampled, [one.resident_mb for one in course.samples])
        memory.set_ylabel("memory, MB")
        for field, label in (("ack_p50_ms", "acknowledged, p50"), ("ack_p99_ms", "p99"), ("seen_p99_ms", "at a client, p99")):
            latency.plot(seen, [getattr(one, field) for one in course.played.intervals], label=label)
        latency.set_ylabel("latency, ms")
        latency.set_yscale("log")
        latency.legend(loc="upper right")
        queue.plot(seen, [one.under_way for one in course.played.intervals], label="events under way")
        queue.plot(seen, [one.open_incidents for one in course.played.intervals], label="incidents open")
        queue.legend(loc="upper right")
        database.plot(sampled, [one.database_mb for one in course.samples])
        database.set_ylabel("database, MB")
        database.set_xlabel("minutes")
        for axes in (memory, queue, database):
            axes.set_ylim(bottom=0)
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file, format="svg", metadata={"Date": None})


def main() -> int:
    """The command line; returns 1 when an event was lost or memory grows."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.soak", description="A long run under 70 % of what is carried.")
    parser.add_argument("--seconds", type=float, default=1_800.0, help="how long new events are sent")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the pictures and of course.json")
    asked = parser.parse_args()
    # SIGTERM ends it as ^C does, and nothing is left behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="jedel-soak-") as name:
        folder = Path(name)
        # The embedded server of a process run by root belongs to another user, who must be able to reach its files.
        folder.chmod(0o755)
        # Before the run, for it tells the commit that is played.
        run = look(folder, "")
        course = soak(folder, asked.seconds)
        run = msgspec.structs.replace(run, versions=versions(course.postgresql))
    draw(course, asked.out / "soak.svg")
    (asked.out / "course.json").write_bytes(msgspec.json.encode(course))
    rows, memory = judged(course)
    for one in rows:
        print(f"{one.name}: {one.value} {one.unit}, {one.baseline} {one.baseline_value}; {one.remark}")
    if course.played.lost:
        # Something else had the machine, or the service failed: either way these figures are not those of 70 % load.
        print("soak: not written: the load was not carried to its end", file=sys.stderr)
    elif asked.seconds >= WRITTEN_FROM_S:
        results.write(run, results.stamped(rows, "soak", run))
    grows = memory.verdict(MEMORY_TOLERANCE * memory.level) is Verdict.GROWS
    return 1 if course.played.lost or grows else 0


if __name__ == "__main__":
    sys.exit(main())
