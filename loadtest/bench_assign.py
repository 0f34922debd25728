"""The `assign` benchmark: microseconds a call to choose crews while all of them move, against the usual ways of doing it.

A city of 40 km by 40 km in which 100 to 100,000 crews drive at 10 m/s sending 5,000 positions a second: a tick is 20 ms,
in which 100 crews report and then 20 demands of several capabilities and priorities are decided as one batch. Chosen crews
become busy, the longest busy ones free. All drive as fast in every size, so a crew of a large fleet reports more rarely and
jumps farther: 200 m at 100,000. The same once more with one demand a tick (`lone`): the usual single call, which bears a tick's
fixed cost alone.

Baselines, in the same run on the same motion:
- a linear scan in numpy: all squared chords of a demand, the eligible ones masked, the least taken;
- Redis: one geo key a capability holding its free crews, GEOADD for what moves, GEOSEARCH by radius, nearest first, for what is
  asked, both pipelined a tick. A real `redis-server`, started as a child on a free port of 127.0.0.1 without persistence.
Both only look for the nearest: neither explains itself, keeps territories or solves contention, which jedel's figures include.

What works in this process is timed by its CPU time, so that a busy machine does not change who wins; Redis, which works in a
process of its own, by the wall.

Run with `python -m loadtest.bench_assign`; needs `redis-server` on the PATH.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from typing import Final, TypedDict

import numpy as np
import numpy.typing as npt
import redis

from core.ports import Demand
from core.vocabulary import AssignReason, CrewNo
from loadtest.bench.record import rounded
from routing.crew_index import CrewTree
from routing.geodesy import chords_squared, unit_vectors

SIZES: Final = (100, 1_000, 10_000, 100_000)
RUNS: Final = 3
TICK_S: Final = 0.02
MOVES: Final = 100
DEMANDS: Final = 20
SPEED_MPS: Final = 10.0
LATITUDE_DEG: Final = 43.24
LONGITUDE_DEG: Final = 76.90
HALF_SIDE_DEG: Final = (0.18, 0.247)
METRES_A_DEGREE: Final = (111_195.0, 81_000.0)
SHARES: Final = {"patrol": 0.6, "ambulance": 0.25, "fire": 0.1, "gas": 0.05}
BUSY_SHARE: Final = 0.2
CITY: Final = "kz/almaty"
DISTRICTS: Final = tuple(f"{CITY}/{name}" for name in ("alatau", "almaly", "auezov", "bostandyk", "medeu", "turksib"))

Floats = npt.NDArray[np.float64]


class Record(TypedDict):
    """One line of the benchmark's report."""

    name: str
    value: float
    unit: str
    baseline: str
    baseline_value: float
    ratio: float
    spread: list[float]
    baseline_spread: list[float]


class City:
    """Crews that drive and demands that appear: the same for every competitor that is given the same seed."""

    def __init__(self, size: int, seed: int = 7, demands: int = DEMANDS) -> None:
        self._rng = np.random.default_rng(seed)
        self.size = size
        self.demands_a_tick = demands
        self.places = self._spread(size)
        self.capabilities = self._rng.choice(list(SHARES), size, p=list(SHARES.values()))
        # A third of the crews keep to their district.
        self.territories = np.where(self._rng.random(size) < 1 / 3, self._rng.choice(DISTRICTS, size), CITY)
        course = self._rng.uniform(0.0, 2 * np.pi, size)
        # Between two reports of one crew all the others report.
        step_m = SPEED_MPS * TICK_S * max(1.0, size / MOVES)
        self._steps = np.column_stack((np.cos(course), np.sin(course))) * step_m / METRES_A_DEGREE
        self._next = 0

    def _spread(self, count: int) -> Floats:
        spread: Floats = self._rng.uniform(-1.0, 1.0, (count, 2)) * HALF_SIDE_DEG + (LATITUDE_DEG, LONGITUDE_DEG)
        return spread

    def drive(self) -> npt.NDArray[np.int64]:
        """Moves the crews whose turn it is, turning back at the city's edge; returns which."""
        rows = (self._next + np.arange(min(MOVES, self.size), dtype=np.int64)) % self.size
        self._next = (self._next + len(rows)) % self.size
        self.places[rows] += self._steps[rows]
        out = np.abs(self.places[rows] - (LATITUDE_DEG, LONGITUDE_DEG)) > HALF_SIDE_DEG
        self._steps[rows] = np.where(out, -self._steps[rows], self._steps[rows])
        return rows

    def demands(self) -> list[Demand]:
        """The next batch."""
        count = self.demands_a_tick
        capabilities = self._rng.choice(list(SHARES), count, p=list(SHARES.values())).tolist()
        territories = self._rng.choice(DISTRICTS, count).tolist()
        priorities = self._rng.integers(1, 4, count).tolist()
        columns = zip(self._spread(count).tolist(), capabilities, territories, priorities, strict=True)
        return [
            Demand(key, latitude_deg, longitude_deg, capability, territory, priority)
            for key, ((latitude_deg, longitude_deg), capability, territory, priority) in enumerate(columns)
        ]


class Competitor(ABC):
    """One way of choosing crews, being timed."""

    clock: Callable[[], float] = staticmethod(time.process_time)
    """What its work is measured by, in seconds."""

    @abstractmethod
    def move(self, rows: npt.NDArray[np.int64], places: Floats) -> None:
        """Learns that crews have moved."""

    @abstractmethod
    def choose(self, demands: list[Demand]) -> list[int]:
        """Chooses crews for a batch and marks them busy; returns them."""

    @abstractmethod
    def release(self, crews: list[int]) -> None:
        """Marks crews free."""


class Jedel(Competitor):
    """The crew index."""

    def __init__(self, city: City) -> None:
        self.index = CrewTree()
        for crew_no in range(city.size):
            self.index.put(CrewNo(crew_no), [str(city.capabilities[crew_no])], str(city.territories[crew_no]), outside=False)
        self.move(np.arange(city.size), city.places)
        self.release(list(range(city.size)))

    def move(self, rows: npt.NDArray[np.int64], places: Floats) -> None:
        self.index.move(rows, places[:, 0], places[:, 1])

    def choose(self, demands: list[Demand]) -> list[int]:
        chosen = [int(choice.crew_no) for choice in self.index.choose(demands) if choice.crew_no is not None]
        for crew_no in chosen:
            self.index.set_availability(CrewNo(crew_no), AssignReason.NOT_FREE)
        return chosen

    def release(self, crews: list[int]) -> None:
        for crew_no in crews:
            self.index.set_availability(CrewNo(crew_no), None)


class LinearScan(Competitor):
    """Every crew compared with every demand, in numpy."""

    def __init__(self, city: City) -> None:
        self._points = unit_vectors(city.places[:, 0], city.places[:, 1])
        self._able = {capability: city.capabilities == capability for capability in SHARES}
        self._free = np.ones(city.size, dtype=np.bool_)

    def move(self, rows: npt.NDArray[np.int64], places: Floats) -> None:
        self._points[rows] = unit_vectors(places[:, 0], places[:, 1])

    def choose(self, demands: list[Demand]) -> list[int]:
        at = unit_vectors(
            np.array([demand.latitude_deg for demand in demands]), np.array([demand.longitude_deg for demand in demands])
        )
        chosen = []
        for place, demand in zip(at, demands, strict=True):
            apart = chords_squared(self._points, place)
            apart[~(self._free & self._able[demand.capability])] = np.inf
            best = int(apart.argmin())
            if apart[best] < np.inf:
                self._free[best] = False
                chosen.append(best)
        return chosen

    def release(self, crews: list[int]) -> None:
        self._free[crews] = True


class RedisGeo(Competitor):
    """GEOSEARCH over the free crews of a capability; the radius holds about sixteen of them, doubled where it holds none."""

    clock = staticmethod(time.perf_counter)

    def __init__(self, city: City, client: redis.Redis) -> None:
        self._client = client
        self._city = city
        self._free = np.ones(city.size, dtype=np.bool_)
        client.flushall()
        area_km2 = 4 * np.prod(np.array(HALF_SIDE_DEG) * METRES_A_DEGREE) / 1e6
        self._radius_km = {
            capability: float(np.sqrt(16 * area_km2 / (np.pi * max(1.0, share * city.size))))
            for capability, share in SHARES.items()
        }
        for start in range(0, city.size, 10_000):
            self._add(np.arange(start, min(start + 10_000, city.size)))

    def _add(self, rows: npt.NDArray[np.int64]) -> None:
        pipeline = self._client.pipeline(transaction=False)
        for row in rows[self._free[rows]].tolist():
            latitude_deg, longitude_deg = self._city.places[row].tolist()
            pipeline.geoadd(str(self._city.capabilities[row]), (longitude_deg, latitude_deg, row))
        pipeline.execute()

    def move(self, rows: npt.NDArray[np.int64], places: Floats) -> None:
        self._add(rows)

    def choose(self, demands: list[Demand]) -> list[int]:
        chosen: list[int] = []
        waiting = [(demand, self._radius_km[demand.capability]) for demand in demands]
        while waiting:
            pipeline = self._client.pipeline(transaction=False)
            for demand, radius_km in waiting:
                pipeline.geosearch(
                    demand.capability,
                    longitude=demand.longitude_deg,
                    latitude=demand.latitude_deg,
                    radius=radius_km,
                    unit="km",
                    sort="ASC",
                    count=DEMANDS,
                )
            again = []
            for (demand, radius_km), found in zip(waiting, pipeline.execute(), strict=True):
                best = next((int(row) for row in found if self._free[int(row)]), None)
                if best is not None:
                    self._free[best] = False
                    chosen.append(best)
                elif radius_km < 100.0:
                    again.append((demand, 2 * radius_km))
            waiting = again
        pipeline = self._client.pipeline(transaction=False)
        for row in chosen:
            pipeline.zrem(str(self._city.capabilities[row]), row)
        pipeline.execute()
        return chosen

    def release(self, crews: list[int]) -> None:
        self._free[crews] = True
        if crews:
            self._add(np.array(crews))


class Timing:
    """Microseconds a demand of one run."""

    def __init__(self) -> None:
        self.choose_us = 0.0
        self.move_us = 0.0
        self.worst_tick_us = 0.0

    @property
    def all_us(self) -> float:
        """Choosing and moving together."""
        return self.choose_us + self.move_us


def drive(city: City, competitor: Competitor, busy: deque[int], ticks: int) -> Timing:
    """Runs ticks of the city against a competitor; its state and the city's go on in the next run."""
    timing = Timing()
    for _ in range(ticks):
        rows = city.drive()
        places = city.places[rows]
        demands = city.demands()
        overdue = [busy.popleft() for _ in range(len(busy) - int(BUSY_SHARE * city.size))]
        began = competitor.clock()
        competitor.move(rows, places)
        moved = competitor.clock()
        competitor.release(overdue)
        busy.extend(competitor.choose(demands))
        ended = competitor.clock()
        timing.move_us += (moved - began) * 1e6 / (ticks * city.demands_a_tick)
        timing.choose_us += (ended - moved) * 1e6 / (ticks * city.demands_a_tick)
        timing.worst_tick_us = max(timing.worst_tick_us, (ended - began) * 1e6)
    return timing


def measure(size: int, make: Callable[[City], Competitor], ticks: int, demands: int = DEMANDS) -> list[Timing]:
    """Three runs on end, after a short one that builds and warms what is built lazily."""
    city = City(size, demands=demands)
    competitor = make(city)
    busy: deque[int] = deque()
    drive(city, competitor, busy, max(5, ticks // 20))
    return [drive(city, competitor, busy, ticks) for _ in range(RUNS)]


@contextmanager
def redis_server() -> Iterator[redis.Redis]:
    """A Redis of our own, gone afterwards.

    Raises:
        RuntimeError: there is no `redis-server` on the PATH, or it does not start.
    """
    binary = shutil.which("redis-server")
    if binary is None:
        raise RuntimeError("the assign benchmark is measured against Redis: apt-get install redis-server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="jedel-redis-") as directory:
        server = subprocess.Popen(
            [binary, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no", "--dir", directory],
            stdout=subprocess.DEVNULL,
        )
        try:
            client = redis.Redis(host="127.0.0.1", port=port)
            _await_redis(client, server)
            yield client
            client.close()
        finally:
            server.terminate()
            server.wait()


def _await_redis(client: redis.Redis, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 10.0
    while True:
        try:
            client.ping()
        except redis.ConnectionError as error:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("redis-server does not start") from error
            time.sleep(0.02)
        else:
            return


def run(quick: bool = False) -> list[dict[str, str | float]]:
    """Measures all sizes.

    Args:
        quick: a tenth of the ticks, to see that it works; the figures then say little.

    Returns:
        Records of `name`, `value`, `unit`, `baseline`, `baseline_value` and `ratio`, value by baseline.

    Raises:
        RuntimeError: there is no Redis to compare with.
    """
    ticks = 100 if quick else 1_000
    records: list[Record] = []
    chosen_us: dict[int, float] = {}
    all_us: dict[int, float] = {}
    with redis_server() as client:
        for size in SIZES:
            ours = measure(size, Jedel, ticks)
            scan = measure(size, LinearScan, max(5, min(ticks, 4_000_000 // (size * DEMANDS))))
            geo = measure(size, lambda city: RedisGeo(city, client), max(5, ticks // 20))
            choose_us, whole_us = [one.choose_us for one in ours], [one.all_us for one in ours]
            chosen_us[size], all_us[size] = median(choose_us), median(whole_us)
            for suffix, baseline, theirs in (("", "numpy linear scan", scan), ("_redis", "Redis GEOSEARCH", geo)):
                records.append(compared(f"assign_{size}{suffix}", choose_us, baseline, [one.choose_us for one in theirs]))
                records.append(compared(f"assign_{size}_moving{suffix}", whole_us, baseline, [one.all_us for one in theirs]))
            lone = [one.choose_us for one in measure(size, Jedel, ticks // 2, 1)]
            scanned = [one.choose_us for one in measure(size, LinearScan, max(5, min(ticks, 4_000_000 // size) // 2), 1)]
            records.append(compared(f"assign_{size}_lone", lone, "numpy linear scan", scanned))
            worst_us = max(one.worst_tick_us for one in ours)
            records.append(compared(f"assign_{size}_worst_tick", [worst_us], "tick", [TICK_S * 1e6], "us"))
    for name, costs_us in (("assign_growth_1k_to_100k", chosen_us), ("assign_growth_1k_to_100k_moving", all_us)):
        records.append(compared(name, [costs_us[100_000] / costs_us[1_000]], "allowed", [3.0], "times"))
    return [dict(record) for record in records]  # type: ignore[arg-type]


def compared(name: str, runs: Sequence[float], baseline: str, baseline_runs: Sequence[float], unit: str = "us/call") -> Record:
    """Runs beside a baseline's, by their medians."""
    value, baseline_value = median(runs), median(baseline_runs)
    return Record(
        name=name,
        value=round(value, 2),
        unit=unit,
        baseline=baseline,
        baseline_value=round(baseline_value, 2),
        ratio=rounded(value / baseline_value),
        spread=_spread(runs),
        baseline_spread=_spread(baseline_runs),
    )


def _spread(runs: Sequence[float]) -> list[float]:
    """The least and the greatest of several."""
    return [round(min(runs), 2), round(max(runs), 2)] if len(runs) > 1 else []


def main() -> None:
    """Prints the table."""
    for record in run(quick="--quick" in sys.argv[1:]):
        print("{name:34} {value:>10} {unit:8} {baseline:18} {baseline_value:>10} ratio {ratio}".format(**record))


if __name__ == "__main__":
    main()
