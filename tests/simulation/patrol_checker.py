"""What is told of patrols as it becomes durable: each fault begins once and ends once, and what is stored agrees."""

from __future__ import annotations

from typing import Final

from core.decisions import Decisions
from core.telling import Happened
from core.vocabulary import Occasion
from tests.simulation.log_checker import Violation

_BEGINS: Final = frozenset(
    one.value for one in (Occasion.PATROL_NOT_STARTED, Occasion.PATROL_OFF_ROUTE, Occasion.PATROL_STANDING)
)


class PatrolChecker:
    """Open faults as the notices tell of them."""

    def __init__(self) -> None:
        self.begun: dict[str, int] = {}
        """Occasion → how often it was told."""
        self._open: dict[str, str] = {}
        """Crew → what was told of it and has not ended."""
        self._missed: set[tuple[str, str]] = set()
        """Crew, and the hour of a checkpoint."""

    def take(self, decisions: Decisions) -> None:
        """Takes one committed batch. Raises `Violation`."""
        told = 0
        for notice in decisions.notices:
            crew, term = notice.crew, notice.term
            if term in _BEGINS:
                if crew in self._open:
                    raise Violation(11, f"crew {crew}: {term} begins, and {self._open[crew]} has not ended")
                self._open[crew] = term
            elif term == Occasion.PATROL_FAULT_ENDED.value:
                if self._open.pop(crew, None) is None:
                    raise Violation(11, f"crew {crew}: a fault ends that has not begun: {notice.text}")
            elif term != Occasion.PATROL_CHECKPOINT_MISSED.value:
                continue
            self.begun[term] = self.begun.get(term, 0) + 1
            told += term != Occasion.PATROL_FAULT_ENDED.value
        sent = [one.key.split("/") for one in decisions.tellings if one.template is Happened.PATROL_FINDING]
        if len(sent) != told:
            raise Violation(11, f"{told} faults on patrol have begun, the outbox has {sent}")
        for _, crew, fault, since_us, *_ in sent:
            if fault == "checkpoint_missed":
                if (crew, since_us) in self._missed:
                    raise Violation(11, f"crew {crew} misses the checkpoint of {since_us} twice")
                self._missed.add((crew, since_us))
        for state in decisions.patrols:
            known = self._open.get(state.crew_id)
            if known != (None if state.fault is None else f"patrol_{state.fault.value}"):
                raise Violation(11, f"crew {state.crew_id}: {known} is told and not ended, {state.fault} is stored")
