"""A context as lines for a person: the lists one after the other, then each caller's history (CITY-11).

Place in the flow: behind it, for `jedel context`.
"""

from __future__ import annotations

from collections.abc import Iterator

from core.context import Context, Earlier, Group, NumberHistory
from core.instant import rfc3339


def lines(context: Context) -> Iterator[str]:
    """One line a list, one below it for each of its incidents, one a number."""
    where, known = context.territory or "no territory", rfc3339(context.through_us)
    yield f"incident {context.incident_id}: {where}; past known up to {known}"
    for name, group in (
        ("same address", context.same_address),
        ("same number", context.same_number),
        ("nearby", context.nearby),
        ("same road", context.same_road),
    ):
        yield f"{name}: {_counts(group)}"
        for one in group.listed:
            yield f"  {_entry(one)}"
    for history in context.numbers:
        yield _history(history)


def _counts(group: Group) -> str:
    if not group.total:
        return "none"
    least = "at least " if group.more else ""
    return f"{least}{group.total} ({group.day} within a day, {group.month} within 30, {group.year} within 365)"


def _entry(one: Earlier) -> str:
    parts = [f"incident {one.incident_id}", rfc3339(one.opened_us), one.category, one.outcome.value]
    if one.distance_m is not None:
        parts.append(f"{one.distance_m:.0f} m")
    parts.append(", ".join(relation.value for relation in one.why))
    return "; ".join(parts) + (f": {one.result}" if one.result else "")


def _history(history: NumberHistory) -> str:
    least = "at least " if history.more else ""
    told = f"{history.phone}: told of {least}{history.incidents} before, {least}{history.false_calls} false"
    if history.first_us is None or history.last_us is None:
        return told
    return f"{told} (first {rfc3339(history.first_us)}, last {rfc3339(history.last_us)})"
