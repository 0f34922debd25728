"""Periods of the simulated city as worlds in which assignment policies are tried.

Place in the flow: outside it. Rules: what happens, where and when is `loadtest.traffic`'s, with the needs of the centre's own
table of categories; crews and their speeds are `loadtest.crews`'s. One seed gives the same happenings at the same places in
the same order at every load: a higher one only brings them sooner, and every call takes the same work. Patrols keep to their
district, the others go everywhere.
"""

from __future__ import annotations

from random import Random
from typing import Final

import numpy as np

from core.category import load_categories
from core.instant import SECOND_US
from loadtest.city import CENTRE_LATITUDE_DEG, City
from loadtest.crews import SPEEDS_MPS, Habits
from loadtest.happening import KINDS, Rates
from loadtest.policy_trial.world import Calls, Crews, Floats, Travel, World
from loadtest.traffic import Traffic

DETOUR: Final = 1.27
"""Mean way along a grid of streets, 4/π times the straight line."""
START_US: Final = 1_767_225_600 * SECOND_US
FOREVER: Final = ((-1e9, 1e9),)
CELLS: Final = 20
"""Of demand, along each side of the city."""


class CityDays:
    """One city for many seeds.

    Args:
        streets, crews: its size (`loadtest.city.City`); districts are four.
        calls_per_hour: happenings an hour at load 1.
        work_s: mean time on scene.
    """

    def __init__(
        self, city_seed: int, streets: int = 160, crews: int = 150, calls_per_hour: float = 30.0, work_s: float = 1500.0
    ) -> None:
        self._city = City(city_seed, districts=4, streets=streets, crews=crews, cameras=0, panels=0, subscribers=200_000)
        self._calls_per_hour = calls_per_hour
        self._work_s = work_s
        table = load_categories()
        self._needs = {code: (table[code].needs, table[code].priority) for code in KINDS}

    def world(self, capability: str, seed: int, load: float, late_s: float, hours: float) -> World:
        """One period of one seed for the crews of one capability."""
        city = self._city
        # The usual traffic of a longer time, told faster: what happens depends on the order of everything before it.
        traffic = Traffic(city, Rates(self._calls_per_hour / 3600, 0, 0, 0, 0), seed, START_US)
        traffic.events_until(START_US + round(hours * load * 3600 * SECOND_US))
        rng = Random(f"work/{seed}")
        habits = Habits()
        rows: list[tuple[float, float, float, int, float, float, int]] = []
        for happening in traffic.happenings:
            needs, priority = self._needs[happening.category]
            for need in needs:
                work_s = self._lasting_s(rng, self._work_s)
                turnout_s = self._lasting_s(rng, habits.accept_s) + self._lasting_s(rng, habits.turnout_s)
                if need == capability:
                    rows.append(
                        (
                            (happening.at_us - START_US) / SECOND_US / load,
                            happening.place.latitude_deg,
                            happening.place.longitude_deg,
                            priority,
                            turnout_s,
                            work_s,
                            city.district_of(happening.crossing),
                        )
                    )
        table = np.array(rows, dtype=np.float64).reshape(-1, 7)
        crews = [crew for crew in city.crews if capability in crew.capabilities[:1]]
        homes = np.array([(city.crossings[c.crossing].latitude_deg, city.crossings[c.crossing].longitude_deg) for c in crews])
        return World(
            name=f"city/{capability}/{seed}",
            calls=Calls(
                at_s=table[:, 0],
                latitude_deg=table[:, 1],
                longitude_deg=table[:, 2],
                priority=table[:, 3].astype(np.int64),
                turnout_s=table[:, 4],
                work_s=table[:, 5],
                zone=table[:, 6].astype(np.int64),
            ),
            crews=Crews(
                home_latitude_deg=homes[:, 0],
                home_longitude_deg=homes[:, 1],
                zone=np.array([-1 if crew.outside else city.district_of(crew.crossing) for crew in crews]),
                free_at_s=np.zeros(len(crews)),
                latitude_deg=homes[:, 0].copy(),
                longitude_deg=homes[:, 1].copy(),
                duty=(FOREVER,) * len(crews),
            ),
            travel=Travel(0.0, SPEEDS_MPS[capability], DETOUR, CENTRE_LATITUDE_DEG),
            late_s=late_s,
            usual_work_s=self._work_s,
            demand=self._demand(capability),
        )

    def _lasting_s(self, rng: Random, mean_s: float) -> float:
        # As `loadtest.crews.Fleet` draws it.
        return min(0.1 * mean_s + rng.expovariate(1.0) * 0.9 * mean_s, 6 * mean_s)

    def _demand(self, capability: str) -> Floats:
        """What the city's plan says: a crossing is as likely as another."""
        city = self._city
        weight = sum(KINDS[code].weight * needs.count(capability) for code, (needs, _) in self._needs.items()) / sum(
            kind.weight for kind in KINDS.values()
        )
        step_rows, step_columns = max(1, city.rows // CELLS), max(1, city.columns // CELLS)
        middles = [
            city.crossings[row * city.columns + column]
            for row in range(step_rows // 2, city.rows, step_rows)
            for column in range(step_columns // 2, city.columns, step_columns)
        ]
        rate = weight * self._calls_per_hour / len(middles)
        return np.array([(place.latitude_deg, place.longitude_deg, rate) for place in middles])
