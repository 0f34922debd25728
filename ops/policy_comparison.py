"""`jedel compare-policies`: the same calls answered by every assignment policy, beside what could be reached in hindsight.

Place in the flow: outside the service; nothing here is connected to it. Rules: every policy is given the same periods, which
begin with the same crews at the same work; weights were chosen on other days and seeds than those reported here; periods whose
hindsight would be too large a program have none, which depends on their calls and not on the machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np

from loadtest.policy_trial.city_days import CityDays
from loadtest.policy_trial.hindsight import Bounds, bounds
from loadtest.policy_trial.measure import Figure, Row, rows
from loadtest.policy_trial.period import cut
from loadtest.policy_trial.play import Play
from loadtest.policy_trial.world import Floats, World
from ops.cad import Cad, CadError
from ops.cad_habits import Habits
from ops.policy_days import RecordedDays, days_of
from routing.policies.cover import CoverKeeping
from routing.policies.matching import SOON_S, Matching, NearestWaiting
from routing.policies.nearest import Nearest
from routing.policies.preempting import Preempting
from routing.policies.relieving import Relieving
from routing.policies.situation import Policy

LATE_S: Final = 480.0
"""Eight minutes from the call's entry to the crew's arrival."""
HOUR_S: Final = 3600.0
LOADS: Final = (0.5, 1.0, 2.0, 4.0)
PERIODS_AT_H: Final = (9.0, 15.0)
"""Of a recorded day."""
PERIOD_H: Final = 3.0
WARM_UP_H: Final = 2.0
DAYS_MIN: Final = 2
"""Of records: the first half is the known demand, the second is reported. The weights were chosen on the first seven days of
San Francisco's file, which has fourteen."""
SEEDS_TUNED: Final = 5
"""So many first seeds of the simulated city were used for choosing; the reported ones follow."""
KINDS: Final = {"san_francisco": ("fire", "ambulance"), "city": ("patrol", "ambulance")}
BASELINE: Final = "nearest_free"
WAIT_COUNTED_S: Final = 21_600.0
"""No more of a response is counted: where the records end, the last calls of a day that is laid over are reached by nobody."""
HEADINGS: Final = (
    "Where",
    "Load",
    "Policy",
    "Calls",
    "Mean, s",
    "p50",
    "p90",
    "Late",
    "Late ÷ nearest",
    "Mean ÷ nearest",
    "Late in hindsight",
    "Late ÷ hindsight",
    "Mean ÷ hindsight",
)
PREPARE_S: Final = 60.0
"""Of `LATE_S`, left for turning out when the reach of a crew is estimated."""
TRAVEL_GUESS_S: Final = 300.0
"""Added to the usual work for how long a crew that is sent is away."""


class Settled(NamedTuple):
    """One period played."""

    responses: dict[str, Floats]
    bounds: Bounds


class Report(msgspec.Struct, frozen=True):
    """All figures of a run."""

    late_s: float
    tuned_on: str
    reported_on: str
    rows: tuple[Row, ...]


def policies(world: World, load: float) -> list[Policy]:
    """All policies that are compared, for one period; a policy knows the usual demand at this load, not the period's calls."""
    travel = world.travel
    reach_m = max(0.0, (LATE_S - PREPARE_S - travel.fixed_s) * travel.speed_mps / travel.detour)
    cells = world.demand.copy()
    cells[:, 2] *= load
    soon = Matching(LATE_S, SOON_S)
    away_s = world.usual_work_s + TRAVEL_GUESS_S
    return [
        Nearest(by_time=False),
        Nearest(by_time=True),
        NearestWaiting(),
        Relieving(NearestWaiting()),
        Matching(LATE_S),
        soon,
        CoverKeeping(cells, reach_m, away_s, LATE_S),
        CoverKeeping(cells, reach_m, away_s, LATE_S, soon_s=SOON_S),
        Preempting(soon, LATE_S),
    ]


def settle(world: World, load: float) -> Settled:
    """Plays one period under every policy, and looks back on it."""
    responses = {
        policy.name: np.minimum(Play(world, policy, 0.0).run().response_s, WAIT_COUNTED_S) for policy in policies(world, load)
    }
    return Settled(responses, bounds(world))


def compare(
    cad: Cad | None,
    *,
    quick: bool,
    seeds: int,
    seed: int,
    workers: int,
    tell: Callable[[float], None] = lambda share: None,
) -> Report:
    """Compares all policies on the simulated city, and on recorded days where there are some.

    Args:
        cad: the records; None for the simulated city alone.
        quick: one period a setting and the loads 1 and 4 only: seconds, and no figures to quote.
        seeds: periods of the simulated city.
        seed: first seed, of the city's periods and of the intervals.
        workers: processes at once; no figure depends on it.
        tell: told which share (0 to 1) is done.
    """
    jobs = list(_jobs(cad, quick=quick, seeds=seeds, seed=seed))
    settled: list[Settled] = []
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for one in pool.map(settle, [world for _, _, world in jobs], [load for _, load, _ in jobs]):
            settled.append(one)
            tell(len(settled) / len(jobs))
    found: dict[tuple[str, float], list[Settled]] = {}
    for (setting, load, _), one in zip(jobs, settled, strict=True):
        found.setdefault((setting, load), []).append(one)
    known, reported = ((), ()) if cad is None else halves(cad)
    made: list[Row] = []
    for (setting, load), periods in found.items():
        responses = {name: [period.responses[name] for period in periods] for name in periods[0].responses}
        made += rows(setting, load, responses, [period.bounds for period in periods], LATE_S, BASELINE, seed)
    return Report(
        late_s=LATE_S,
        tuned_on=f"{_days(known)}city seeds 0-{SEEDS_TUNED - 1}",
        reported_on=f"{_days(reported)}city seeds {seed}-{seed + (1 if quick else seeds) - 1}",
        rows=tuple(made),
    )


def halves(cad: Cad) -> tuple[Sequence[int], Sequence[int]]:
    """The days of the records whose demand is known, and those that are reported: never the same.

    Raises `CadError` when there are too few.
    """
    days = days_of(cad)
    if days < DAYS_MIN:
        raise CadError(f"the records hold {days} day: at least {DAYS_MIN} are needed, to know the demand of one for the other")
    return range(days // 2), range(days // 2, days)


def _days(days: Sequence[int]) -> str:
    return f"days {days[0]}-{days[-1]}, " if days else ""


def _jobs(cad: Cad | None, *, quick: bool, seeds: int, seed: int) -> Iterator[tuple[str, float, World]]:
    loads = (1.0, 4.0) if quick else LOADS
    if cad is not None:
        habits = Habits(cad)
        known, reported = halves(cad)
        for capability in KINDS["san_francisco"][:1] if quick else KINDS["san_francisco"]:
            recorded = RecordedDays(cad, habits, capability)
            for load in loads:
                for day in reported[:1] if quick else reported:
                    whole = recorded.world(day, reported, known, load, seed, LATE_S)
                    for begins_h in PERIODS_AT_H[:1] if quick else PERIODS_AT_H:
                        yield f"San Francisco, {capability}", load, _cut(whole, begins_h)
    city = CityDays(1)
    for capability in KINDS["city"][:1] if quick else KINDS["city"]:
        for load in loads:
            for number in range(seed, seed + (1 if quick else seeds)):
                whole = city.world(capability, number, load, LATE_S, WARM_UP_H + PERIOD_H)
                yield f"simulated city, {capability}", load, _cut(whole, WARM_UP_H)


def _cut(world: World, begins_h: float) -> World:
    return cut(world, begins_h * HOUR_S, (begins_h + PERIOD_H) * HOUR_S, WARM_UP_H * HOUR_S)


def write_json(report: Report, path: Path) -> None:
    """Writes all figures, for programs."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")


def as_lines(report: Report) -> list[str]:
    """The table as Markdown, with how it came about."""
    lines = [
        f"Late: over {report.late_s / 60:g} min from entry to arrival. Chosen on: {report.tuned_on}. Intervals: 95 %.",
        f"Reported on: {report.reported_on}.",
        "",
        f"| {' | '.join(HEADINGS)} |",
        "|---|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [_line(row) for row in report.rows]
    return lines


def _line(row: Row) -> str:
    def ratio(figure: Figure | None) -> str:
        if figure is None:
            return "–"
        return f"{figure.value:.2f} ({figure.low:.2f}–{'∞' if figure.high is None else f'{figure.high:.2f}'})"

    cells: Sequence[str] = (
        row.setting,
        f"×{row.load:g}",
        row.policy,
        f"{row.calls:,}",
        f"{row.mean_s.value:,.0f}",
        f"{row.p50_s:,.0f}",
        f"{row.p90_s:,.0f}",
        f"{row.late_share.value:.1%}",
        ratio(row.late_to_nearest),
        ratio(row.mean_to_nearest),
        "–" if row.hindsight_late_share is None else f"{row.hindsight_late_share:.1%}",
        ratio(row.late_gap),
        ratio(row.mean_gap),
    )
    return f"| {' | '.join(cells)} |"
