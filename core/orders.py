"""Orders: what dispatchers and crews command over the dispatch protocol, decided like events (OCC-4, CITY-10, CITY-18).

Every order ends in a `CommandAnswer`; a repeated `command_id` gets the answer it got before and changes nothing. Who may give
which order is checked by the protocol; here stands what an order does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

import msgspec
import numpy as np

from core import crew_tellings
from core.assign import assign, rounded
from core.category import Category
from core.commands import (
    Accept,
    Acknowledge,
    AcknowledgeCrew,
    AddNote,
    ChangePriority,
    Clear,
    Close,
    CreateIncident,
    Decline,
    EnRoute,
    HandOver,
    Merge,
    OnScene,
    Order,
    Reassign,
    SetMode,
    Split,
)
from core.crew import AVAILABLE, WORKING, Task
from core.decisions import Acknowledgement, CommandAnswer
from core.events import Call
from core.facts import (
    Absorbed,
    Acknowledged,
    CarriedTerm,
    CategoryReason,
    Closed,
    CorrelateReason,
    EventJoined,
    EventsLeft,
    Explanation,
    Joined,
    MergedInto,
    Noted,
    OwnerSet,
    PrioritySet,
    TermsCarried,
)
from core.great_circle import distance_m
from core.incident import ACTIVE, ASSIGNMENT_MOVES, Assignment, Incident
from core.informing import inform, tell_centre
from core.instant import to_datetime
from core.intake import is_better, open_incident, prepare, recategorise
from core.locate import best_place
from core.progress import Refusal, RefusalReason, meant, move, report, turn_to, withdraw_all
from core.state import CentreState
from core.telling import Happened
from core.vocabulary import AssignmentState, AssignReason, CrewId, IncidentId, Mode, Occasion, TermKind

_REPORTS = {
    Accept: AssignmentState.ACCEPTED,
    EnRoute: AssignmentState.EN_ROUTE,
    OnScene: AssignmentState.ON_SCENE,
    Clear: AssignmentState.CLEARED,
    Decline: AssignmentState.DECLINED,
}


def take_order(state: CentreState, order: Order) -> None:
    """Decides one order and answers it."""
    command = order.command
    known = state.answers.get(command.command_id)
    if known is not None:
        state.answered.append(known)
        return
    outcome = _decide(state, order)
    if isinstance(outcome, Refusal):
        incident_id = getattr(command, "incident", None)
        answer = CommandAnswer(
            command.command_id, order.operator, state.now_us, False, incident_id, outcome.reason.value, outcome.text
        )
    else:
        answer = CommandAnswer(command.command_id, order.operator, state.now_us, True, outcome, "", "")
    state.remember_answer(answer)


def refuse_order(state: CentreState, order: Order) -> None:
    """Answers an order on which the engine has failed before, without trying again."""
    command = order.command
    text = "the centre has failed on this command; it is kept for its makers to look into"
    reason = RefusalReason.INTERNAL_FAULT.value
    incident_id = getattr(command, "incident", None)
    state.remember_answer(CommandAnswer(command.command_id, order.operator, state.now_us, False, incident_id, reason, text))


def _decide(state: CentreState, order: Order) -> IncidentId | Refusal | None:
    command, actor = order.command, order.operator
    cause = f"command:{command.command_id}"
    if isinstance(command, CreateIncident):
        return _create(state, command, actor, cause)
    if isinstance(command, Accept | EnRoute | OnScene | Clear | Decline):
        return _report(state, command, actor, cause)
    if isinstance(command, HandOver):
        _hand_over(state, command, actor, cause)
        return None
    if isinstance(command, SetMode):
        _set_mode(state, command, actor, cause)
        return None
    if isinstance(command, AcknowledgeCrew):
        if CrewId(command.crew) not in state.crews and CrewId(command.crew) not in state.planned:
            return Refusal(RefusalReason.UNKNOWN_CREW, f"crew {command.crew} is not known")
        crew_tellings.withdraw(state, CrewId(command.crew), None, actor, cause)
        return None
    incident = state.incidents.get(IncidentId(command.incident))
    if incident is None:
        return _not_open(command.incident)
    refusal: Refusal | None = None
    match command:
        case Close():
            withdraw_all(state, incident, actor, cause, "the incident was closed")
            inform(state, incident, "closed", actor, cause, result=command.result)
            state.record(incident, Closed(command.result), actor, cause)
        case Reassign():
            refusal = _reassign(state, incident, command, actor, cause)
        case Acknowledge():
            _acknowledge(state, incident, command, actor, cause)
        case AddNote():
            state.record(incident, Noted(command.words), actor, cause)
        case ChangePriority():
            changes = command.priority != incident.priority
            state.record(incident, PrioritySet(command.priority), actor, cause)
            inform(state, incident, "opened", actor, cause)
            if changes:
                state.requeue(incident)
        case Merge():
            refusal = _merge(state, incident, command, actor, cause)
        case Split():
            return _split(state, incident, command, actor, cause)
        case _:
            assert_never(command)
    return refusal or incident.incident_id


def _report(
    state: CentreState, command: Accept | EnRoute | OnScene | Clear | Decline, actor: str, cause: str
) -> IncidentId | Refusal:
    crew = state.crews.get(CrewId(command.crew))
    if crew is None:
        return Refusal(RefusalReason.UNKNOWN_CREW, f"crew {command.crew} is not known")
    named = IncidentId(command.incident)
    words = command.reason if isinstance(command, Decline) else ""
    about = meant(state, crew, named)
    refusal = report(state, crew, named, _REPORTS[type(command)], actor, cause, words)
    if refusal is not None and refusal.reason is RefusalReason.NO_ASSIGNMENT and named not in state.incidents:
        return _not_open(named)
    return refusal or about or named


def _not_open(incident_id: int) -> Refusal:
    return Refusal(RefusalReason.UNKNOWN_INCIDENT, f"incident {incident_id} is not open")


def _create(state: CentreState, command: CreateIncident, actor: str, cause: str) -> IncidentId | Refusal:
    if command.category and command.category not in state.categories:
        return Refusal(RefusalReason.UNKNOWN_CATEGORY, f"category {command.category} is not in the table")
    # An incident without a call is located and identified as if its dispatcher had called.
    call = Call(
        seq=1,
        at=to_datetime(state.now_us),
        phone=command.phone,
        words=command.words,
        category=command.category,
        given=command.place,
        address=command.address,
    )
    item = prepare(state, [(cause, call)], {})[(cause, 1)]
    joined = Joined(
        event=cause,
        kind="command",
        reason=CorrelateReason.FIRST,
        caller=item.caller if command.phone else None,
        words=command.words,
        evidence=tuple(item.evidence),
    )
    reason = CategoryReason.OPERATOR if command.category else item.category_reason
    incident = open_incident(state, joined, item.category, reason, item.territory, actor, cause)
    if command.priority is not None:
        state.record(incident, PrioritySet(command.priority), actor, cause)
        inform(state, incident, "opened", actor, cause)
    return incident.incident_id


def _reassign(state: CentreState, incident: Incident, command: Reassign, actor: str, cause: str) -> Refusal | None:
    leaving = incident.active(command.crew) if command.crew else None
    if command.crew and leaving is None:
        return Refusal(RefusalReason.NO_ASSIGNMENT, f"crew {command.crew} is not on incident {incident.incident_id}")
    if command.to:
        crew = state.crews.get(CrewId(command.to))
        if crew is None:
            return Refusal(RefusalReason.UNKNOWN_CREW, f"crew {command.to} is not known")
        if crew.state not in AVAILABLE and (command.when == "free" or crew.state not in WORKING):
            return Refusal(RefusalReason.CREW_NOT_FREE, f"crew {command.to} is {crew.state.value}")
        if incident.active(command.to) is not None:
            return Refusal(RefusalReason.SAME_INCIDENT, f"crew {command.to} is on incident {incident.incident_id} already")
    if leaving is not None:
        relief = incident.relief_of(leaving)
        if command.to and relief is not None:
            # The dispatcher's own choice relieves it.
            move(state, incident, relief, AssignmentState.WITHDRAWN, actor, cause, "reassigned", leaving.assignment_id)
        # Withdrawn even on scene: a task that counted as cleared would leave no need for the crew that is to follow.
        move(state, incident, leaving, AssignmentState.WITHDRAWN, actor, cause, "reassigned")
    if not command.to:
        state.want(incident)
        return None
    crew = state.crews[CrewId(command.to)]
    unmet = incident.unmet()
    capability = next((need for need in unmet if need in crew.capabilities), None)
    if capability is None:
        capability = leaving.capability if leaving is not None else next(iter(crew.capabilities), "")
    crew_no, place = state.crew_nos[crew.crew_id], incident.place
    travel_s = None if place is None else state.crew_index.travel_s(crew_no, place.latitude_deg, place.longitude_deg)
    explanation = Explanation(AssignReason.ORDERED, _distance_m(state, incident, crew.crew_id), (), travel_s=rounded(travel_s))
    assign(state, incident, capability, crew_no, explanation, actor, cause, after=command.when == "next")
    return None


def _distance_m(state: CentreState, incident: Incident, crew_id: str) -> float:
    """From the crew's last position to the incident; 0 where either is unknown."""
    last, place = state.last_positions.get(crew_id), incident.place
    if last is None or place is None:
        return 0.0
    return round(distance_m(last.latitude_deg, last.longitude_deg, place.latitude_deg, place.longitude_deg), 1)


def _acknowledge(state: CentreState, incident: Incident, command: Acknowledge, actor: str, cause: str) -> None:
    """Ends the chains of what has passed. Where none runs any more it is still written down who has it in hand."""
    passed = {
        term.kind
        for term in incident.terms
        if term.has_passed and "acknowledged" in term.until and command.term in ("", term.kind.value)
    }
    review_due_us = None
    if TermKind.REVIEW in passed:
        review_due_us = state.plan_of(incident).due_us(TermKind.REVIEW, state.now_us, state.mode)
    kinds = tuple(kind for kind in TermKind if kind in passed)
    state.record(incident, Acknowledged(kinds, review_due_us), actor, cause)
    state.acknowledged += [Acknowledgement(f"incident/{incident.incident_id}/{kind.value}", state.now_us) for kind in kinds]


def _hand_over(state: CentreState, command: HandOver, actor: str, cause: str) -> None:
    owner = f"person:{command.to}"
    own = command.territory
    handed = [
        incident
        for incident in state.incidents.values()
        if incident.owner != owner and (not own or incident.territory == own or incident.territory.startswith(own + "/"))
    ]
    for incident in handed:
        state.record(incident, OwnerSet(owner), actor, cause)
    what = {"territory": own, "to": command.to, "incidents": len(handed)}
    state.log_centre(Occasion.SHIFT_HANDED_OVER, actor, cause, what)
    text = f"{command.to} answers for {len(handed)} open incidents{f' of {own}' if own else ''}"
    values = {"gives": actor.removeprefix("operator:"), "takes": command.to, "open": str(len(handed))}
    tell_centre(
        state,
        Occasion.SHIFT_HANDED_OVER,
        Happened.SHIFT_HANDOVER,
        text,
        values,
        f"centre/{cause}",
        territory=own or None,
        priority=crew_tellings.PRIORITY,
    )


def _set_mode(state: CentreState, command: SetMode, actor: str, cause: str) -> None:
    mode, before = Mode(command.mode), state.mode
    state.mode = mode
    what = {"mode": mode.value, "before": before.value, "ground": command.ground}
    state.log_centre(Occasion.MODE_SET, actor, cause, what)
    if mode is not before:
        text = f"the centre works in {mode.value} mode: {command.ground}"
        values = {"mode": mode.value, "reason": command.ground}
        tell_centre(state, Occasion.MODE_SET, Happened.MODE_CHANGED, text, values, f"centre/{cause}")


def _merge(state: CentreState, incident: Incident, command: Merge, actor: str, cause: str) -> Refusal | None:
    into = state.incidents.get(IncidentId(command.into))
    if into is None:
        return Refusal(RefusalReason.UNKNOWN_INCIDENT, f"incident {command.into} is not open")
    if into is incident:
        return Refusal(RefusalReason.SAME_INCIDENT, "an incident cannot be merged into itself")
    told = tuple(incident.told)
    before = (*into.told, *told)
    territory = into.territory
    if incident.place is not None and is_better(incident.place, into.place):
        territory = incident.territory
        if into.place is None or territory != into.territory:
            state.requeue(into)
    state.record(into, Absorbed(incident.incident_id, told, territory), actor, cause)
    if incident.category not in (into.category, state.categories.default.code):
        recategorise(state, into, state.categories[incident.category], incident.category_reason, actor, cause)
    for assignment in list(incident.assignments):
        relieved = incident.relieved(assignment)
        if assignment.state in ACTIVE and relieved is not None:
            # What was reckoned for one place is no ground at another.
            words = f"crew {relieved.crew} goes on to incident {into.incident_id}"
            move(state, incident, assignment, AssignmentState.WITHDRAWN, actor, cause, words, relieved.assignment_id)
    for assignment in list(incident.assignments):
        if assignment.state not in ACTIVE:
            continue
        _carry_over(state, incident, assignment, into, actor, cause)
    state.record(incident, MergedInto(into.incident_id), actor, cause)
    category = state.categories[into.category]
    for joined in told:
        state.open.note(into, joined, category)
    state.open.release(into, before)
    state.want(into)
    return None


def _carry_over(state: CentreState, incident: Incident, assignment: Assignment, into: Incident, actor: str, cause: str) -> None:
    """Gives a merged incident's crew the same task at the one that goes on, as far as it had come, and held where it was.

    Its terms run on as they did: a crew that is late stays late, gets no fresh time, and is told of no second time.
    """
    crew_id, stage, held = CrewId(assignment.crew), assignment.state, assignment.held
    words = f"merged into {into.incident_id}"
    there = into.active(crew_id)
    carried = _carried(state, incident, assignment, into)
    if there is not None:
        # It has an assignment to both: that to the one that goes on stays, and the crew where it is.
        if there.held and not held:
            turn_to(state, state.crews[crew_id], Task(into.incident_id, there.assignment_id), actor, cause)
        # What takes over from a crew there is awaited as that one was.
        begins = there.state is AssignmentState.OFFERED and into.relieved(there) is None
        move(state, incident, assignment, AssignmentState.WITHDRAWN, actor, cause, words)
        if not held and stage in ASSIGNMENT_MOVES[there.state]:
            move(state, into, there, stage, actor, cause)
            if begins and there.state in ACTIVE:
                # It was awaited on scene at the one that ends, and not yet here.
                state.record(into, TermsCarried(there.assignment_id, carried), actor, cause)
        return
    move(state, incident, assignment, AssignmentState.WITHDRAWN, actor, cause, words)
    # It had been there, and was called away: it is awaited anew.
    returns = held and stage is AssignmentState.ON_SCENE
    expected_us = None if returns else assignment.expected_us
    crew_no, explanation = state.crew_nos[crew_id], assignment.explanation
    assign(state, into, assignment.capability, crew_no, explanation, actor, cause, after=held, expected_us=expected_us)
    if held and stage in (AssignmentState.EN_ROUTE, AssignmentState.ON_SCENE):
        # How far it had come is its report of then; reported anew it would turn to this one.
        stage = AssignmentState.ACCEPTED
    given = into.assignments[-1]
    if stage is not AssignmentState.OFFERED:
        move(state, into, given, stage, actor, cause)
    if not returns:
        state.record(into, TermsCarried(given.assignment_id, carried), actor, cause)


def _carried(state: CentreState, incident: Incident, assignment: Assignment, into: Incident) -> tuple[CarriedTerm, ...]:
    """The terms of an assignment as they run on at the incident that goes on."""
    plan, before = state.plan_of(into), state.plan_of(incident)
    own = [term for term in incident.terms if term.assignment_id == assignment.assignment_id]
    return tuple(found for term in own if (found := plan.carried(term, before, state.now_us)) is not None)


def _split(state: CentreState, incident: Incident, command: Split, actor: str, cause: str) -> IncidentId | Refusal:
    leaving = [joined for joined in incident.told if joined.event in set(command.events)]
    absent = set(command.events) - {joined.event for joined in leaving}
    if absent:
        text = f"incident {incident.incident_id} does not tell of {', '.join(sorted(absent))}"
        return Refusal(RefusalReason.UNKNOWN_EVENT, text)
    if len(leaving) == len(incident.told):
        return Refusal(RefusalReason.UNKNOWN_EVENT, "at least one event must stay")
    staying = [joined for joined in incident.told if joined not in leaving]
    territory = _territory_of(state, staying) or incident.territory
    left = EventsLeft(tuple(joined.event for joined in leaving), state.next_incident_id, territory)
    own_territory, had_place = incident.territory, incident.place is not None
    state.record(incident, left, actor, cause)
    state.open.release(incident, leaving)
    state.open.place(incident, state.categories[incident.category])
    if territory != own_territory or had_place is (incident.place is None):
        state.requeue(incident)
    category, reason = _category_of(state, leaving) or (state.categories[incident.category], CategoryReason.OPERATOR)
    territory = _territory_of(state, leaving) or own_territory
    first, *others = (msgspec.structs.replace(joined, reason=CorrelateReason.SPLIT) for joined in leaving)
    new = open_incident(state, first, category, reason, territory, actor, cause)
    for joined in others:
        state.record(new, EventJoined(joined, territory), actor, cause)
        state.open.note(new, joined, category)
    return new.incident_id


def _territory_of(state: CentreState, told: Sequence[Joined]) -> str:
    """The territory of the place that these events tell of; `""` where they tell of none."""
    place, _ = best_place([piece for joined in told for piece in joined.evidence])
    if place is None:
        return ""
    found = state.territories.find(np.array([place.latitude_deg]), np.array([place.longitude_deg]))
    return found[0] or state.rules.territory


def _category_of(state: CentreState, told: Sequence[Joined]) -> tuple[Category, CategoryReason] | None:
    """The most urgent category that the words of these events tell of."""
    read = [state.categories.by_words(joined.words) for joined in told]
    known = [one for one in read if one[1] is not CategoryReason.DEFAULT]
    return min(known, key=lambda one: one[0].priority, default=None)
