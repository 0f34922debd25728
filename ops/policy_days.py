"""Recorded days as worlds in which assignment policies are tried (`jedel compare-policies`).

Place in the flow: before a trial. Rules: one call is one unit that reached the scene, known from the moment its call was
entered; turnout and work are the recorded ones, the way is the straight-line fit of all of them (`ops.cad_habits`), and units
are on duty as recorded. More load than recorded lays further days over a day, at their own hours; less keeps every so-manieth
call by a seeded draw. The demand that a policy may know of comes from days on which it is not tried.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from statistics import median
from typing import Final

import numpy as np

from core.instant import SECOND_US
from loadtest.policy_trial.world import Calls, Crews, Travel, World
from ops.cad import Cad, CadCall, CadError
from ops.cad_habits import Habits

DAY_S: Final = 86_400
CELL_DEG: Final = (0.006, 0.0076)
"""Cells of demand: some 670 m."""


def days_of(cad: Cad) -> int:
    """How many days the records hold, counted from the first call's receipt."""
    return int((cad.calls[-1].received_us - cad.calls[0].received_us) / SECOND_US // DAY_S) + 1


class RecordedDays:
    """All days of a file, for one capability; day 0 begins with the first call's receipt.

    Raises `CadError` when the records hold nothing of that capability.
    """

    def __init__(self, cad: Cad, habits: Habits, capability: str) -> None:
        self.capability = capability
        self._habits = habits
        zero_us = cad.calls[0].received_us
        self._zero_us = zero_us
        self._calls: list[tuple[float, CadCall, float, float]] = []
        for call in cad.calls:
            stages = habits.stages(call, capability)
            for record in call.records:
                if record.capability == capability and record.on_scene_us is not None:
                    at_s = (call.entered_us - zero_us) / SECOND_US
                    self._calls.append((at_s, call, stages.turnout_s, stages.work_s))
        self._calls.sort(key=lambda row: row[0])
        if not self._calls:
            raise CadError(f"no unit of the records that can do {capability} has reached a scene: nothing can be compared")
        self._units = [unit for unit in cad.units if unit.capabilities[0] == capability]
        self._usual_work_s = median(row[3] for row in self._calls)
        self._latitude_deg = median(row[1].place.latitude_deg for row in self._calls)

    def world(self, day: int, others: Sequence[int], known: Sequence[int], load: float, seed: int, late_s: float) -> World:
        """One day at a load.

        Args:
            day: whose units are on duty and whose calls come.
            others: further days that may be laid over it.
            known: days whose calls are the known demand.
            load: 0.5, 1, 2, 4 times the calls of a day.
            seed: of the draw where less than all calls are kept.
            late_s: a longer response is late.
        """
        laid = [day, *(other for other in others if other != day)][: max(1, round(load))]
        rng = Random(f"{seed}/{day}")
        rows = sorted(
            (
                (at_s - source * DAY_S, call, turnout_s, work_s)
                for at_s, call, turnout_s, work_s in self._calls
                for source in laid
                if at_s // DAY_S == source and (load >= 1 or rng.random() < load)
            ),
            key=lambda row: row[0],
        )
        count = len(self._units)
        homes = np.array([(unit.home.latitude_deg, unit.home.longitude_deg) for unit in self._units])
        begins_s = day * DAY_S
        return World(
            name=f"{self.capability}/{day}",
            calls=Calls(
                at_s=np.array([row[0] for row in rows]),
                latitude_deg=np.array([row[1].place.latitude_deg for row in rows]),
                longitude_deg=np.array([row[1].place.longitude_deg for row in rows]),
                priority=np.array([2 if row[1].urgent else 5 for row in rows], dtype=np.int64),
                turnout_s=np.array([row[2] for row in rows]),
                work_s=np.array([row[3] for row in rows]),
                zone=np.zeros(len(rows), dtype=np.int64),
            ),
            crews=Crews(
                home_latitude_deg=homes[:, 0],
                home_longitude_deg=homes[:, 1],
                zone=np.full(count, -1),
                free_at_s=np.zeros(count),
                latitude_deg=homes[:, 0].copy(),
                longitude_deg=homes[:, 1].copy(),
                duty=tuple(
                    tuple(
                        ((a - self._zero_us) / SECOND_US - begins_s, (b - self._zero_us) / SECOND_US - begins_s)
                        for a, b in unit.duty
                    )
                    for unit in self._units
                ),
            ),
            travel=Travel(self._habits.travel.fixed_s, self._habits.travel.speed_mps, 1.0, self._latitude_deg),
            late_s=late_s,
            usual_work_s=self._usual_work_s,
            demand=self._demand(known),
        )

    def _demand(self, days: Sequence[int]) -> np.ndarray:
        cells: dict[tuple[int, int], int] = {}
        for at_s, call, _, _ in self._calls:
            if at_s // DAY_S in days:
                cell = round(call.place.latitude_deg / CELL_DEG[0]), round(call.place.longitude_deg / CELL_DEG[1])
                cells[cell] = cells.get(cell, 0) + 1
        return np.array(
            [(lat * CELL_DEG[0], lon * CELL_DEG[1], n / (24 * len(days))) for (lat, lon), n in sorted(cells.items())]
        )
