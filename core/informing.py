"""Telling people: a notice to dispatch clients at once, and a telling for whoever holds the role, by any channel (CITY-5).

Both are part of the batch, so that nobody is told of what is not committed, and each telling has a key of its own: the version
of the fact that caused it. Whoever the scenario names is told as the incident goes on, once each time.
"""

from __future__ import annotations

from typing import Final, Literal

from core.decisions import Notice
from core.facts import PersonTold
from core.incident import Incident
from core.instant import SECOND_US, Micros
from core.patrol import PatrolFault, PatrolFinding
from core.patrol_words import sentence
from core.state import CentreState
from core.telling import VALUES, Happened, Telling
from core.vocabulary import PRIORITY_HIGHEST, Occasion, TermKind

SHIFT_LEAD: Final = "shift_lead"
LEVEL_ABOVE: Final = "level_above"
EXPIRES_US: Final = 1800 * SECOND_US
"""A telling that has not reached anybody by then is history: the review tells of the incident again."""
_PASSED: Final = {
    TermKind.ACCEPT: Happened.ACCEPT_PASSED,
    TermKind.CREW: Happened.NO_CREW,
    TermKind.ON_SCENE: Happened.NOT_ON_SCENE,
    TermKind.REVIEW: Happened.REVIEW,
}
_HAPPENED: Final = {
    "opened": Happened.INCIDENT_OPENED,
    "assigned": Happened.TASK_GIVEN,
    "on_scene": Happened.ON_SCENE,
    "closed": Happened.INCIDENT_CLOSED,
}
_PATROL: Final = {
    PatrolFault.NOT_STARTED: Occasion.PATROL_NOT_STARTED,
    PatrolFault.OFF_ROUTE: Occasion.PATROL_OFF_ROUTE,
    PatrolFault.STANDING: Occasion.PATROL_STANDING,
    PatrolFault.CHECKPOINT_MISSED: Occasion.PATROL_CHECKPOINT_MISSED,
}
PATROL_PRIORITY: Final = 5
"""Of a telling about a patrol: in the middle, for nobody is in danger by it and the shift is not over."""
When = Literal["opened", "assigned", "on_scene", "closed"]


def tell_passed(state: CentreState, incident: Incident, kind: TermKind, to: str, text: str, crew: str) -> None:
    """Tells somebody that a term has passed; the fact that says so has just been recorded.

    Args:
        state: the centre.
        incident: whose term it is.
        kind: the term.
        to: a role, `level_above` or `person:ID`.
        text: the notice's words.
        crew: the crew it is about, or `""`.
    """
    state.notices.append(Notice(incident.incident_id, state.now_us, to, kind.value, incident.territory, text, crew))
    values = {
        "crew": crew,
        "capability": next(iter(incident.unmet()), ""),
        "waited_min": str((state.now_us - incident.opened_us) // (60 * SECOND_US)),
    }
    _tell(state, incident, to, _PASSED[kind], f"{kind.value}/{incident.version}", values)


def inform(
    state: CentreState, incident: Incident, when: When, actor: str, cause: str, crew: str = "", result: str = ""
) -> None:
    """Tells those whom the scenario names how far the incident is, each once. An urgent one is the level above's to know too.

    What the incident turns out to be may name others: `opened` is asked again when its category or priority has changed.
    """
    scenario = state.plan_of(incident).scenario
    named = [one.to for one in scenario.informed if one.when == when]
    if when == "opened" and incident.priority <= scenario.level_above.priority and LEVEL_ABOVE not in named:
        named.append(LEVEL_ABOVE)
    for to in named:
        if f"{when}:{to}" in incident.informed:
            continue
        state.record(incident, PersonTold(to, when), actor, cause)
        text = f"incident {incident.incident_id} ({incident.category}): {when}"
        state.notices.append(Notice(incident.incident_id, state.now_us, to, when, incident.territory, text, crew))
        _tell(state, incident, to, _HAPPENED[when], f"{when}/{to}", {"crew": crew, "result": result})


def tell_centre(
    state: CentreState,
    occasion: Occasion,
    template: Happened | None,
    text: str,
    values: dict[str, str],
    key: str,
    *,
    territory: str | None = None,
    priority: int = PRIORITY_HIGHEST,
) -> None:
    """Tells the shift lead of what concerns the whole centre, or a territory of it.

    Args:
        state: the centre.
        occasion: what has happened.
        template: the telling's words; None for a notice to dispatch clients alone.
        text: the notice's words.
        values: the telling's, by `core.telling.VALUES`.
        key: unique among what the centre ever tells.
        territory: None for the centre's own.
        priority: the telling's.
    """
    territory = state.rules.territory if territory is None else territory
    state.notices.append(Notice(None, state.now_us, SHIFT_LEAD, occasion.value, territory, text))
    if template is not None:
        expires_us = Micros(state.now_us + EXPIRES_US)
        state.tellings.append(Telling(key, SHIFT_LEAD, territory, None, template, values, state.now_us, expires_us, priority))


def tell_patrol(state: CentreState, finding: PatrolFinding, territory: str) -> None:
    """Tells the shift lead of a fault on patrol (OCC-5). That it has ended is for who looks at the screen: a notice only.

    Args:
        state: the centre.
        finding: what has begun or ended.
        territory: the crew's.
    """
    crew, text = finding.crew_id, sentence(finding, "en")
    occasion = _PATROL[finding.fault] if finding.ended is None else Occasion.PATROL_FAULT_ENDED
    state.notices.append(Notice(None, state.now_us, SHIFT_LEAD, occasion.value, territory, text, crew))
    if finding.ended is not None:
        return
    place = f"{finding.route}, {finding.checkpoint}" if finding.checkpoint else finding.route
    telling = Telling(
        # A crew that was called away may fail to start twice in one shift, each time since the shift's beginning; two
        # checkpoints may be found missed at one moment; and a clock that stands still gives two batches the same instant.
        key=f"patrol/{crew}/{finding.fault.value}/{finding.since_us}/{finding.at_us}/{state.batch_no + 1}",
        to=SHIFT_LEAD,
        territory=territory,
        incident_id=None,
        template=Happened.PATROL_FINDING,
        values={"crew": crew, "finding": finding.fault.value, "place": place},
        at_us=state.now_us,
        expires_us=Micros(state.now_us + EXPIRES_US),
        priority=PATROL_PRIORITY,
    )
    state.tellings.append(telling)


def _tell(state: CentreState, incident: Incident, to: str, template: Happened, step: str, values: dict[str, str]) -> None:
    place = incident.place
    values = {"category": incident.category, "address": "" if place is None else place.text, **values}
    telling = Telling(
        key=f"incident/{incident.incident_id}/{step}",
        to=to,
        territory=incident.territory,
        incident_id=incident.incident_id,
        template=template,
        values={name: values[name] for name in VALUES[template]},
        at_us=state.now_us,
        expires_us=Micros(state.now_us + EXPIRES_US),
        priority=incident.priority,
    )
    state.tellings.append(telling)
