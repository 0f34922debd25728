"""Escalation: a scenario's chains as moments in time, and what an incident's passed term does next (OCC-4, CITY-4, CITY-5).

A chain says what is done when a term has passed, step by step, with repetitions. Unrolled, it is a list of moments, each at its
distance from the passing: so a running chain is one `core.incident.Term` that names the next moment, and firing it is a fact
that names the one after. A chain costs one entry in the list of deadlines however long it is, and no step is decided by
anything but the log and the scenario's version that the incident keeps.

That the level above is asked when a crew has been missing for so long counts from the asking, and the rest of the crew term's
chain from its passing. How far the two lie apart is the mode's in which the term began, so the term itself remembers it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from core.facts import STOPS, CarriedTerm
from core.incident_terms import Term
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

_ASK_LEVEL_ABOVE: Final = Step(after_s=0.0, do="ask_level_above")


class Moment(msgspec.Struct, frozen=True):
    """One doing of one step."""

    after_us: int
    """From the passing of the term; below 0 where the level above is asked before."""
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
        self._moments = {kind: _moments(chain.steps, lengths.pace) for kind, chain in self._chains.items()}
        self._missing_us = round(scenario.level_above.missing_s / lengths.pace * SECOND_US)
        self.waves = tuple((round(wave.after_s / lengths.pace * SECOND_US), wave.needs) for wave in scenario.later)
        """Crews asked for later: microseconds from the opening, and one capability a crew."""

    def chain(self, kind: TermKind) -> Chain:
        """The chain of a term. `WAVE` has none."""
        return self._chains[kind]

    def moments(self, kind: TermKind, length_us: int | None = None) -> tuple[Moment, ...]:
        """The moments of a term's chain, in the order in which they come.

        Args:
            kind: the term.
            length_us: how long this one runs; matters to the crew term alone. None for the daily mode's length.
        """
        moments = self._moments[kind]
        if kind is not TermKind.CREW or not self._missing_us:
            return moments
        # Counted from the asking. A long term may not have passed by then.
        after_us = self._missing_us - (self.length_us(kind, Mode.DAILY) if length_us is None else length_us)
        asks = Moment(after_us, _ASK_LEVEL_ABOVE, 0)
        return tuple(sorted((*moments, asks), key=_by_moment))

    def length_us(self, kind: TermKind, mode: Mode) -> int:
        """How long a term runs that begins in this mode."""
        length_us = self._lengths.of(kind)
        if length_us is not None:
            return length_us
        return round(self._chains[kind].within_s.at(mode) / self._lengths.pace * SECOND_US)

    def due_us(self, kind: TermKind, now_us: Micros, mode: Mode) -> Micros:
        """When a term that begins now, in this mode, has passed and its chain begins."""
        length_us = self.length_us(kind, mode)
        return Micros(now_us + length_us + self.moments(kind, length_us)[0].after_us)

    def next_moment(self, term: Term) -> tuple[int, Micros] | None:
        """Number and instant of the moment after the one that a term stands at, or None after the last."""
        moments = self.moments(term.kind, term.length_us)
        moment = term.moment
        if moment + 1 >= len(moments):
            return None
        after_us = moments[moment + 1].after_us
        if term.passed_us is not None:
            # Whatever the scenario was when it passed.
            return moment + 1, Micros(max(term.due_us, term.passed_us + after_us))
        # By the deadline and not by the clock: what was late does not make the rest later.
        return moment + 1, Micros(term.due_us - moments[moment].after_us + after_us)

    def carried(self, term: Term, other: Plan, now_us: Micros) -> CarriedTerm | None:
        """How a crew's term runs on here that began at an incident of another plan; None where nothing comes any more.

        A term that has not passed keeps its time. Of the chain of one that has, what would have come by now is not made up for:
        the crew is late once.
        """
        moment, due_us = term.moment, term.due_us
        chain = self._chains[term.kind]
        if moment and chain != other._chains[term.kind]:
            before, here = other.moments(term.kind), self._moments[term.kind]
            passed_us = due_us - before[min(moment, len(before) - 1)].after_us
            coming = (number for number, one in enumerate(here) if number and passed_us + one.after_us > now_us)
            moment = next(coming, 0)
            if not moment:
                return None
            due_us = Micros(passed_us + here[moment].after_us)
        return CarriedTerm(term.kind, due_us, moment, chain.stop if moment else STOPS)

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


def _moments(steps: tuple[Step, ...], pace: float) -> tuple[Moment, ...]:
    moments = [
        Moment(round((step.after_s + repeat * step.repeat_s) / pace * SECOND_US), step, repeat)
        for step in steps
        for repeat in range(step.repeats + 1)
    ]
    # Of one instant, in the order of the steps.
    return tuple(sorted(moments, key=_by_moment))


def _by_moment(moment: Moment) -> int:
    return moment.after_us
