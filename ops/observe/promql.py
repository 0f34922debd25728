"""The forms of PromQL that the panels ask in; everything is asked of one centre, the dashboard's variable `job`.

Rules:
- Every query answers something on a centre that has just started and has nothing wrong, so that a blank panel means a fault:
  a family whose series come with their first occurrence falls back to a series `none` at 0 (`or_none`).
- What a process shows of the centre's incidents, crews and sources holds for the active one; a process that was active once
  and stands by now has old ones (`active`).
"""

from __future__ import annotations

from typing import Final

JOB: Final = 'job="$job"'


def rate(name: str, by: str = "", where: str = "") -> str:
    """A counter's rate of change, summed over the centre's processes."""
    chosen = f"{JOB},{where}" if where else JOB
    return f"sum{f' by ({by})' if by else ''} (rate({name}{{{chosen}}}[$__rate_interval]))"


def or_none(expr: str, label: str) -> str:
    """The query, or 0 for the label's value `none` while nothing has happened yet."""
    return f'{expr} or on () label_replace(vector(0), "{label}", "none", "", "")'


def active(expr: str) -> str:
    """What the active process alone says."""
    return f'{expr} and on (job, instance) (jedel_state{{{JOB},state="active"}} == 1)'


def quantile(share: float, name: str, by: str = "", where: str = "", span: str = "$__rate_interval") -> str:
    """A quantile out of a histogram's buckets."""
    chosen = f"{JOB},{where}" if where else JOB
    return f"histogram_quantile({share:g}, sum by ({f'{by}, ' if by else ''}le) (rate({name}_bucket{{{chosen}}}[{span}])))"


def within(name: str, bound: str, where: str = "", span: str = "$__rate_interval") -> str:
    """The share of a histogram's values up to one of its bounds."""
    chosen = f"{JOB},{where}" if where else JOB
    good = f'sum (rate({name}_bucket{{{chosen},le="{bound}"}}[{span}]))'
    return f"{good} / sum (rate({name}_count{{{chosen}}}[{span}]))"


def of_bound(name: str, limit: str) -> str:
    """How full something is, of its bound."""
    return f"max (jedel_{name}{{{JOB}}} / jedel_{limit}{{{JOB}}})"
