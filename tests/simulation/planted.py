"""Bugs planted on purpose, to see that the simulation finds them. Several are bugs it has found in the real code.

Each is a context in which one function of ours is replaced by a wrong one; afterwards the right one is back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from math import inf
from typing import Final, NoReturn

import msgspec

import core.assign
import core.crew_reports
import core.engine
import core.incident
import core.orders
import core.progress
import core.relief
import core.watch
from core.commands import Order
from core.crew import Crew
from core.decisions import Decisions
from core.duty_watch import DutyWatch
from core.escalation import Moment, Plan
from core.events import Chunk
from core.facts import Acknowledged, AssignmentEnded, AssignmentMoved, CarriedTerm, Relief
from core.incident import Assignment, Incident, decode_incident
from core.incident_terms import Term, runs_on
from core.instant import SECOND_US, Micros
from core.orders import take_order
from core.patrol import PatrolFinding
from core.patrol_watch import Patrols
from core.state import CentreState
from core.vocabulary import AssignmentState, CrewState, Mode, Part, TermKind
from core.waiting import Waiting
from protocols.dispatch.audience import Audience
from protocols.dispatch.committed import Committed, Held, HeldCrew
from protocols.ingest.window import Window
from tests.simulation.places import LONG
from tests.simulation.process import Life
from tests.simulation.store import StoreModel, Writer


@contextmanager
def replaced(owner: object, name: str, wrong: object) -> Iterator[None]:
    """Puts `wrong` in the place of a function of a module or a class."""
    right = getattr(owner, name)
    setattr(owner, name, wrong)
    try:
        yield
    finally:
        setattr(owner, name, right)


_decide = Life.decide
_set_crew_state = CentreState.set_crew_state
_since = Committed.since
_queue = CentreState.queue
_next_moment = Plan.next_moment
_moments = Plan.moments


def _acknowledge_early(self: Life, decisions: Decisions) -> None:
    self.hub.committed(decisions)
    _decide(self, decisions)


def _publish_early(self: Life, decisions: Decisions) -> None:
    self.desk.committed(decisions)
    _decide(self, decisions)


def _take_again(chunk: Chunk, high_water: int) -> int:
    del chunk, high_water
    return 0


def _skip_unnumbered(chunk: Chunk, high_water: int) -> int:
    if chunk.last_seq <= high_water:
        return len(chunk.items)
    return next((index for index, item in enumerate(chunk.items) if (item.seq or 0) > high_water), 0)


def _keep_declined(self: CentreState, crew: Crew, state: CrewState, assignment: object) -> None:
    if state is not CrewState.FREE or crew.state is not CrewState.ASSIGNED:
        _set_crew_state(self, crew, state, assignment)  # type: ignore[arg-type]


def _start_terms_anew(view: bytes) -> Incident:
    """Builds the terms from the assignments instead of reading them: those that have fired fire again."""
    incident = decode_incident(view)
    for assignment in incident.assignments:
        known = any(term.assignment_id == assignment.assignment_id for term in incident.terms)
        if assignment.state in (AssignmentState.ACCEPTED, AssignmentState.EN_ROUTE) and not known:
            accepted_us = assignment.accepted_us or assignment.offered_us
            due_us = Micros(accepted_us + round(LONG.on_scene.within_s.daily * SECOND_US))
            incident.terms.append(Term(TermKind.ON_SCENE, due_us, assignment.assignment_id))
    return incident


def _new_before_waiting(state: CentreState, needs: list[core.assign._Need]) -> list[tuple[Incident, str]]:
    unserved = core.assign._decide(state, needs)
    while heads := core.assign._pop_for_freed(state, 9):
        unserved += core.assign._decide(state, heads)
    return unserved


def _pop_nothing(self: Waiting, *_: object) -> None:
    del self


def _forget_queue(self: CentreState, incident: Incident, capability: str) -> None:
    if self.now_us:
        _queue(self, incident, capability)


def _forget_retry(state: CentreState, order: Order) -> None:
    if order.command.command_id not in state.answers:
        take_order(state, order)


def _resume_late(self: Committed, cursor: int) -> list[Held]:
    return _since(self, cursor + 1)


def _mark_nothing(self: Audience, held: HeldCrew, batch_no: int) -> bool:
    del self, held, batch_no
    return False


def _write_unasked(self: Writer, decisions: Decisions) -> None:
    self._store.commit(self._epoch, decisions)


def _commit_unfenced(self: StoreModel, epoch: int, decisions: Decisions) -> None:
    del epoch
    self._apply(decisions)
    self._committed(decisions)


@contextmanager
def _written_twice() -> Iterator[None]:
    with replaced(Writer, "_write", _write_unasked), replaced(StoreModel, "commit", _commit_unfenced):
        yield


def _skip_a_moment(self: Plan, term: Term) -> tuple[int, Micros] | None:
    coming = _next_moment(self, term)
    if coming is None:
        return None
    return _next_moment(self, msgspec.structs.replace(term, moment=coming[0], due_us=coming[1])) or coming


def _reckon_by_the_daily_term(self: Plan, kind: TermKind, length_us: int | None = None) -> tuple[Moment, ...]:
    del length_us
    return _moments(self, kind)


def _forget_chain(term: Term, fact: AssignmentMoved | AssignmentEnded) -> bool:
    return not term.moment and runs_on(term, fact)


def _acknowledge_nothing(incident: Incident, fact: Acknowledged) -> None:
    del incident, fact


def _tell_nobody(state: CentreState, incident: Incident, *_: object) -> None:
    del state, incident


def _withdraw_nothing(*_: object) -> None:
    return


def _restore_nothing(self: Patrols, *_: object) -> list[PatrolFinding]:
    del self
    return []


def _is_open(self: Window) -> bool:
    del self
    return True


def _begin_anew(self: Plan, term: Term, other: Plan, now_us: Micros) -> CarriedTerm:
    del other
    return CarriedTerm(term.kind, self.due_us(term.kind, now_us, Mode.DAILY))


def _relieve_at_once(*args: object, relieves: Relief | None = None, **named: object) -> None:
    """Withdraws the crew that is to be relieved when the other one is asked."""
    state, incident = args[:2]
    assert isinstance(state, CentreState) and isinstance(incident, Incident)
    core.assign.assign(*args, relieves=relieves, **named)  # type: ignore[arg-type]
    if relieves is not None:
        leaving = next(one for one in incident.assignments if one.assignment_id == relieves.assignment_id)
        core.progress._withdraw_for(state, incident, leaving, incident.assignments[-1], "planted")


def _stay_relieved(self: Incident, assignment: Assignment) -> Assignment | None:
    """Forgets that the crew to relieve may have gone, so that its relief never counts."""
    relieves = assignment.relieves
    return next((one for one in self.assignments if relieves and one.assignment_id == relieves.assignment_id), None)


def _carried_fresh(*_: object) -> tuple[()]:
    return ()


PLANTED: Final[dict[str, Callable[[], AbstractContextManager[None]]]] = {
    "acknowledged before the commit": partial(replaced, Life, "decide", _acknowledge_early),
    "published before the commit": partial(replaced, Life, "decide", _publish_early),
    "what was taken before is taken again": partial(replaced, core.engine, "_skip", _take_again),
    "an unreadable frame is dropped in silence": partial(replaced, core.engine, "_skip", _skip_unnumbered),
    "a crew that declines stays assigned": partial(replaced, CentreState, "set_crew_state", _keep_declined),
    "a term fires again after a restart": partial(replaced, core.engine, "decode_incident", _start_terms_anew),
    "a new need goes before a more urgent one that waits": partial(
        replaced, core.assign, "_decide_with_queue", _new_before_waiting
    ),
    "a crew that frees finds nothing in the queue": partial(replaced, Waiting, "pop", _pop_nothing),
    "a recovered engine has no queue": partial(replaced, CentreState, "queue", _forget_queue),
    "a repeated command gets no answer": partial(replaced, core.engine, "take_order", _forget_retry),
    "a client resumes one batch too late": partial(replaced, Committed, "since", _resume_late),
    "clients are not told of crews": partial(replaced, Audience, "mark_crew", _mark_nothing),
    "a batch in doubt is written twice": _written_twice,
    "a step of an escalation is left out": partial(replaced, Plan, "next_moment", _skip_a_moment),
    "a missing crew is reckoned by the daily term": partial(replaced, Plan, "moments", _reckon_by_the_daily_term),
    "an escalation ends with the crew that did not answer": partial(replaced, core.incident, "runs_on", _forget_chain),
    "a merger forgets that a crew is late": partial(replaced, core.orders, "_carried", _carried_fresh),
    "a merger gives a late crew fresh time": partial(replaced, Plan, "carried", _begin_anew),
    "a relief accepts and the other crew goes on": partial(replaced, core.progress, "_take_over", _withdraw_nothing),
    "a crew arrives and its relief goes on": partial(replaced, core.progress, "spare_relief", _withdraw_nothing),
    "a crew is withdrawn for a relief that has not accepted": partial(replaced, core.relief, "assign", _relieve_at_once),
    "a relief whose other crew has gone is no crew": partial(replaced, Incident, "relieved", _stay_relieved),
    "a relief counts as one crew more": partial(replaced, Incident, "relieved", _withdraw_nothing),
    "a crew relieves one that is nearer": partial(replaced, core.relief, "RELIEF_MIN_S", -inf),
    "an acknowledgement stops nothing": partial(replaced, core.incident, "acknowledge", _acknowledge_nothing),
    "a crew that is heard again is told of still": partial(replaced, core.crew_reports, "withdraw", _withdraw_nothing),
    "a step is logged and nobody is told": partial(replaced, core.watch, "tell_passed", _tell_nobody),
    "patrols begin anew with every life": partial(replaced, Patrols, "restore", _restore_nothing),
    "the window is not kept": partial(replaced, Window, "is_open", property(_is_open)),
}


def _fail(*_: object, **__: object) -> NoReturn:
    raise ZeroDivisionError("planted")


BROKEN: Final[dict[Part, Callable[[], AbstractContextManager[None]]]] = {
    Part.SIGNALS: partial(replaced, core.engine, "note_silence", _fail),
    Part.ROSTER: partial(replaced, DutyWatch, "look", _fail),
    Part.PATROLS: partial(replaced, Patrols, "fire_due", _fail),
    Part.RELIEF: partial(replaced, core.engine, "relieve", _fail),
}
"""Faults in what time does, in every life: the centre does without the part, and everything else holds."""
