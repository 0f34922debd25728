"""What recorded days say of how a department works: whom it sends to what, how long each stage lasts, how fast it drives.

Place in the flow: before a replay. Rules: everything here is counted from the records, nothing is assumed; where a call's own
records lack a stage, the median of the same capability stands in. The table of categories is the centre's own format, so a
replay decides by what the department did, and differs only in who is sent and when.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Final

import msgspec
import numpy as np

from core.category import Category, Names
from core.events import Fix
from core.instant import SECOND_US
from loadtest.cadastre import Point
from loadtest.crews import distance_m
from ops.cad import Cad, CadCall, UnitRecord

URGENT_PRIORITY: Final = 2
ROUTINE_PRIORITY: Final = 5
DEFAULT_TURNOUT_S: Final = 60.0
DEFAULT_WORK_S: Final = 900.0
"""For a capability whose records hold no such stage at all."""
DEFAULT_TRAVEL: Final = (120.0, 15.0)
"""Seconds before the first metre, metres a second: for records that are too few to tell."""
FIT_MIN: Final = 30
APART_S: Final = 0.000_001
"""Of the clock, in which two calls at one place are one happening: so short, at any speed, that the centre joins none but
those that it decides in one batch."""
TURNS: Final = 16
"""So many categories that differ in nothing but their code take turns at the calls of one kind: what a fast replay brings in
one batch from one place, the centre does not join either."""


class Travel(msgspec.Struct, frozen=True):
    """A straight-line fit of recorded travel times: `fixed_s` and then `speed_mps` as the crow flies."""

    fixed_s: float
    speed_mps: float

    def lasts_s(self, way_m: float) -> float:
        """How long a way of this length takes."""
        return self.fixed_s + way_m / self.speed_mps


class Stages(msgspec.Struct, frozen=True):
    """How long a unit needs from being sent until it rolls, and at the place until it is free."""

    turnout_s: float
    work_s: float


class Habits:
    """See the module. Counting is linear in the records, once."""

    def __init__(self, cad: Cad) -> None:
        self.travel = _fit_travel(cad)
        self.categories = _categories(cad.calls)
        turn_of: Counter[tuple[str, bool]] = Counter()
        numbers = {kind: number for number, kind in enumerate(_kinds(cad.calls))}
        self._category_of: dict[str, str] = {}
        for call in sorted(cad.calls, key=lambda call: call.entered_us):
            kind = call.kind, call.urgent
            self._category_of[call.number] = _code(call.kind, numbers[kind], turn_of[kind])
            turn_of[kind] += 1
        turnouts: defaultdict[str, list[float]] = defaultdict(list)
        works: defaultdict[str, list[float]] = defaultdict(list)
        for call in cad.calls:
            for record in call.records:
                turnout_s, work_s = _turnout_s(record), _work_s(record)
                if turnout_s is not None:
                    turnouts[record.capability].append(turnout_s)
                if work_s is not None:
                    works[record.capability].append(work_s)
        self._usual_turnout_s = {capability: median(values) for capability, values in turnouts.items()}
        self._usual_work_s = {capability: median(values) for capability, values in works.items()}

    def category_of(self, call: CadCall) -> str:
        """Code of the call's category."""
        return self._category_of[call.number]

    def stages(self, call: CadCall, capability: str) -> Stages:
        """How long a unit sent for this capability needs at this call: as recorded for the call, else as is usual."""
        own = [record for record in call.records if record.capability == capability]
        turnout_s = _first(_turnout_s(record) for record in own)
        work_s = _first(_work_s(record) for record in own)
        return Stages(
            turnout_s=self._usual_turnout_s.get(capability, DEFAULT_TURNOUT_S) if turnout_s is None else turnout_s,
            work_s=self._usual_work_s.get(capability, DEFAULT_WORK_S) if work_s is None else work_s,
        )


def categories_toml(categories: Sequence[Category]) -> str:
    """The table of categories as the file that a centre is configured with."""
    rows: list[str] = []
    for category in categories:
        names = ", ".join(f"{field} = {_literal(getattr(category.name, field))}" for field in ("en", "ru", "kk"))
        rows += ["[[category]]", f"name = {{ {names} }}"]
        rows += [
            f"{field} = {_literal(getattr(category, field))}" for field in ("code", "priority", "needs", "radius_m", "window_s")
        ]
        rows.append("")
    return "\n".join(rows)


def _literal(value: object) -> str:
    # A JSON string, number or list of strings is a TOML one.
    return json.dumps(value, ensure_ascii=False)


def _kinds(calls: Sequence[CadCall]) -> list[tuple[str, bool]]:
    return sorted({(call.kind, call.urgent) for call in calls})


def _categories(calls: Sequence[CadCall]) -> tuple[Category, ...]:
    """A category for each turn of a kind and urgency; it needs so many units of each capability as the kind's calls had on
    average, rounded."""
    sent: dict[tuple[str, bool], Counter[str]] = defaultdict(Counter)
    times: Counter[tuple[str, bool]] = Counter()
    for call in calls:
        times[call.kind, call.urgent] += 1
        sent[call.kind, call.urgent].update(record.capability for record in call.records)
    categories: list[Category] = []
    for number, (kind, urgent) in enumerate(_kinds(calls)):
        counts = sent[kind, urgent]
        needs = [capability for capability, count in sorted(counts.items()) for _ in range(round(count / times[kind, urgent]))]
        name = f"{kind}, {'urgent' if urgent else 'routine'}"
        categories.extend(
            Category(
                code=_code(kind, number, turn),
                name=Names(en=name, ru=name, kk=name),
                priority=URGENT_PRIORITY if urgent else ROUTINE_PRIORITY,
                # Where no capability comes to a half, the one sent most often goes alone.
                needs=tuple(needs[:16]) or (counts.most_common(1)[0][0],),
                # The department has told its calls apart already.
                radius_m=1.0,
                window_s=APART_S,
            )
            for turn in range(min(TURNS, times[kind, urgent]))
        )
    other = Category(
        code="other", name=Names(en="Other", ru="Прочее", kk="Басқа"), priority=ROUTINE_PRIORITY, radius_m=1.0, window_s=APART_S
    )
    return (*categories, other)


def _code(kind: str, number: int, turn: int) -> str:
    slug = re.sub(r"[^a-z0-9]+", "_", kind.lower()).strip("_")[:40] or "kind"
    return f"{slug}_{number}_{turn % TURNS}"


def _fit_travel(cad: Cad) -> Travel:
    """Least squares over units that wait at their stations, from the middle of their area to the call."""
    calls = {call.number: call for call in cad.calls}
    ways: list[tuple[float, float]] = []
    for unit in cad.units:
        if len(unit.duty) > 1:
            # A unit with shifts of its own roams; where it comes from is not recorded.
            continue
        for record in unit.records:
            if record.response_us is not None and record.on_scene_us is not None:
                way_m = distance_m(point(unit.home), point(calls[record.call].place))
                ways.append((way_m, (record.on_scene_us - record.response_us) / SECOND_US))
    if len(ways) < FIT_MIN:
        return Travel(*DEFAULT_TRAVEL)
    table = np.array(ways)
    slope, fixed_s = np.polyfit(table[:, 0], table[:, 1], 1)
    if slope <= 0:
        return Travel(*DEFAULT_TRAVEL)
    return Travel(fixed_s=max(0.0, float(fixed_s)), speed_mps=1.0 / float(slope))


def point(fix: Fix) -> Point:
    """A position without its uncertainty."""
    return Point(fix.latitude_deg, fix.longitude_deg)


def _turnout_s(record: UnitRecord) -> float | None:
    return None if record.response_us is None else (record.response_us - record.dispatched_us) / SECOND_US


def _work_s(record: UnitRecord) -> float | None:
    if record.available_us is None or record.on_scene_us is None:
        return None
    return (record.available_us - record.on_scene_us) / SECOND_US


def _first(values: Iterable[float | None]) -> float | None:
    return next((value for value in values if value is not None), None)
