"""Escalation: a scenario's chains as moments in time, and what an incident's passed term does next (OCC-4, CITY-4, CITY-5).

A chain says what is done when a term has passed, step by step, with repetitions. Unrolled, it is a list of moments, each at its
distance from the passing: so a running chain is one `core.incident.Term` that names the next moment, and firing it is a fact
that names the one after. A chain costs one entry in the heap of deadlines however long it is, and no step is decided by
anything but the log and the scenario's version that the incident keeps.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from core.instant import SECOND_US, Micros
from core.scenario import Chain, Scenario, ScenarioSet, Step
from core.terms import TermLengths
from core.vocabulary import Mode, TermKind

_CHAINS: Final = {
    TermKind.ACCEPT: "accept",
    TermKind.CREW: "crew",
    TermKind.ON_SCENE: "on_scene",
    TermKind.REVIEW: "review",
}
"""The field of a scenario that says what happens when such a term has passed."""


class Moment(msgspec.Struct, frozen=True):
    """One doing of one step."""

    after_us: int
    """From the passing of the term."""
    step: Step
    repeat: int
    """0 for the first time."""


class Plan:
    """One version of a scenario as the engine goes by it.

    Args:
        scenario: the scenario.
        lengths: terms that the centre sets for all its scenarios, and how much faster than the clock they run.
    """

    def __init__(self, scenario: Scenario, lengths: TermLengths) -> None:
        self.scenario = scenario
        self._lengths = lengths
        self._chains: dict[TermKind, Chain] = {kind: getattr(scenario, name) for kind, name in _CHAINS.items()}
        self._moments = {kind: _moments(_steps(scenario, kind), lengths.pace) for kind in _CHAINS}
        self.waves = tuple((round(wave.after_s / lengths.pace * SECOND_US), wave.needs) for wave in scenario.later)
        """Crews asked for later: microseconds from the opening, and one capability a crew."""

    def chain(self, kind: TermKind) -> Chain:
        """The chain of a term. `WAVE` has none."""
        return self._chains[kind]

    def moments(self, kind: TermKind) -> tuple[Moment, ...]:
        """The moments of a term's chain, in the order in which they come."""
        return self._moments[kind]

    def due_us(self, kind: TermKind, now_us: Micros, mode: Mode) -> Micros:
        """When a term that begins now, in this mode, has passed and its chain begins."""
        length_us = self._lengths.of(kind)
        if length_us is None:
            length_us = round(self._chains[kind].within_s.at(mode) / self._lengths.pace * SECOND_US)
        return Micros(now_us + length_us + self._moments[kind][0].after_us)

    def next_moment(self, kind: TermKind, moment: int, due_us: Micros) -> tuple[int, Micros] | None:
        """Number and instant of the moment after one that was due then, or None after the last."""
        moments = self._moments[kind]
        if moment + 1 >= len(moments):
            return None
        # By the deadline and not by the clock: what was late does not make the rest later.
        return moment + 1, Micros(due_us - moments[moment].after_us + moments[moment + 1].after_us)

    def quiet_us(self, kind: TermKind) -> int:
        """How long the same recipient is not told again of the same incident's term."""
        return round(self._chains[kind].quiet_s / self._lengths.pace * SECOND_US)


class Plans:
    """The plans of a centre: those by which new incidents go, and those that older ones keep.

    Args:
        scenarios: the current scenarios, and the older versions that are still in use.
        lengths: as for `Plan`.
    """

    def __init__(self, scenarios: ScenarioSet, lengths: TermLengths) -> None:
        self._lengths = lengths
        self._by_key: dict[str, Plan] = {}
        self.load(scenarios)

    def load(self, scenarios: ScenarioSet) -> list[Scenario]:
        """Goes by other scenarios from now on; what an incident began with stays. Returns those that were not known."""
        self._scenarios = scenarios
        new = [scenario for scenario in scenarios if scenario.key not in self._by_key]
        self.keep(new)
        return new

    def keep(self, scenarios: Iterable[Scenario]) -> None:
        """Remembers versions that incidents go by."""
        for scenario in scenarios:
            self._by_key.setdefault(scenario.key, Plan(scenario, self._lengths))

    def current(self, category: str) -> Plan:
        """The plan of a category's new incident."""
        return self._by_key[self._scenarios[category].key]

    def at(self, key: str, category: str) -> Plan:
        """The plan that an incident keeps; its category's current one where it began before there were scenarios."""
        return self._by_key.get(key) or self.current(category)


def _steps(scenario: Scenario, kind: TermKind) -> tuple[Step, ...]:
    steps: tuple[Step, ...] = getattr(scenario, _CHAINS[kind]).steps
    missing_s = scenario.level_above.missing_s
    if kind is TermKind.CREW and missing_s:
        # Counted from the asking, of which the term itself is the first part.
        after_s = max(0.0, missing_s - scenario.crew.within_s.daily)
        steps = (*steps, Step(after_s=after_s, do="ask_level_above"))
    return steps


def _moments(steps: tuple[Step, ...], pace: float) -> tuple[Moment, ...]:
    moments = [
        Moment(round((step.after_s + repeat * step.repeat_s) / pace * SECOND_US), step, repeat)
        for step in steps
        for repeat in range(step.repeats + 1)
    ]
    # Of one instant, in the order of the steps.
    return tuple(sorted(moments, key=lambda moment: moment.after_us))
