"""What came of many periods under several policies, as figures with confidence intervals.

Place in the flow: outside it, after `loadtest.policy_trial.play`. Rules: the periods are the sample: what lies in one period
hangs together, so whole periods are drawn again, the same ones for every policy and for the hindsight (a paired bootstrap);
an interval covers 95 %. The same periods and seed give the same figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import numpy as np

from loadtest.policy_trial.hindsight import Bounds
from loadtest.policy_trial.world import Floats

RESAMPLES: Final = 2000
LEVELS: Final = (0.025, 0.975)


class Figure(msgspec.Struct, frozen=True):
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float | None
    """None where it has no end: the divisor is 0 in too many of the draws."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One policy in one setting, over all its periods."""

    setting: str
    load: float
    policy: str
    periods: int
    calls: int
    mean_s: Figure
    p50_s: float
    p90_s: float
    late_share: Figure
    mean_to_nearest: Figure
    """Mean response divided by that of the nearest free crew."""
    late_to_nearest: Figure | None
    """Late share divided by that of the nearest free crew; None where that is never late."""
    late_gap: Figure | None
    """Late share divided by the hindsight's; None without one, or where in hindsight nobody need be late."""
    mean_gap: Figure | None
    """Mean response divided by the hindsight's; None without one."""
    periods_beaten: int
    """Periods in which some policy had fewer late than the hindsight's program: there its figure is the hindsight."""
    hindsight_late_share: float | None
    hindsight_mean_s: float | None


def rows(
    setting: str,
    load: float,
    responses: Mapping[str, Sequence[Floats]],
    bounds: Sequence[Bounds],
    late_s: float,
    nearest: str,
    seed: int,
) -> list[Row]:
    """One row a policy.

    Args:
        setting, load: what the rows are called.
        responses: policy → a period's responses in seconds, one array a period, the same periods for all.
        bounds: each period's hindsight, None where it was not computed; then no row has that gap.
        late_s: a longer response is late.
        nearest: the policy that the others are compared with.
        seed: of the drawing.
    """
    periods = len(bounds)
    picks = np.random.default_rng(seed).integers(0, periods, (RESAMPLES, periods))
    calls = np.array([len(period) for period in responses[nearest]], dtype=np.float64)
    lates = {name: np.array([float((period > late_s).sum()) for period in own]) for name, own in responses.items()}
    sums = {name: np.array([float(period.sum()) for period in own]) for name, own in responses.items()}
    beaten = [
        bound.late_share is not None
        and bool(bound.late_share * calls[period] > min(own[period] for own in lates.values()) + 1e-6)
        for period, bound in enumerate(bounds)
    ]
    best_late = _least([bound.late_share for bound in bounds], calls, list(lates.values()))
    best_sum = _least([bound.mean_s for bound in bounds], calls, list(sums.values()))
    made: list[Row] = []
    for name, own in responses.items():
        together = np.concatenate(own)
        made.append(
            Row(
                setting=setting,
                load=load,
                policy=name,
                periods=periods,
                calls=int(calls.sum()),
                mean_s=_ratio(sums[name], calls, picks),
                p50_s=float(np.quantile(together, 0.5)),
                p90_s=float(np.quantile(together, 0.9)),
                late_share=_ratio(lates[name], calls, picks),
                mean_to_nearest=_ratio(sums[name], sums[nearest], picks),
                late_to_nearest=_ratio(lates[name], lates[nearest], picks) if lates[nearest].sum() else None,
                late_gap=None if best_late is None or best_late.sum() < 1 else _ratio(lates[name], best_late, picks),
                mean_gap=None if best_sum is None else _ratio(sums[name], best_sum, picks),
                periods_beaten=beaten.count(True),
                hindsight_late_share=None if best_late is None else float(best_late.sum() / calls.sum()),
                hindsight_mean_s=None if best_sum is None else float(best_sum.sum() / calls.sum()),
            )
        )
    return made


def _least(bounds: Sequence[float | None], calls: Floats, reached: Sequence[Floats]) -> Floats | None:
    """Sums over each period's calls in hindsight; None when a period has no bound.

    Where a policy was better than the bound (see `loadtest.policy_trial.hindsight`), its own figure is the hindsight.
    """
    known = [bound for bound in bounds if bound is not None]
    if len(known) < len(bounds):
        return None
    least: Floats = np.minimum.reduce([np.array(known) * calls, *reached])
    return least


def _ratio(above: Floats, below: Floats, picks: np.ndarray) -> Figure:
    """A ratio of sums over periods, and its interval. A draw whose divisor is 0 counts as infinite."""
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = above[picks].sum(axis=1) / below[picks].sum(axis=1)
    drawn = np.nan_to_num(drawn, nan=1.0, posinf=np.inf)
    low, high = (float(end) for end in np.quantile(drawn, LEVELS, method="nearest"))
    return Figure(float(above.sum() / below.sum()), low if np.isfinite(low) else 0.0, high if np.isfinite(high) else None)
