"""What is watched reads as it is: states, places, crews with their reasons."""

from __future__ import annotations

import msgspec
import pytest

from core.crew import Crew, encode_crew
from core.decisions import Notice
from core.facts import Evidence, Explanation, PassedOver, Relief
from core.incident import Assignment, Incident, encode_incident
from core.instant import Micros
from core.vocabulary import (
    AssignmentId,
    AssignmentState,
    AssignReason,
    CategoryCode,
    CrewId,
    CrewState,
    IncidentId,
    IncidentState,
    LocationSource,
)
from ops.watch import incident_line, json_lines, lines
from protocols.dispatch.mirror import Update

SENT = Assignment(
    AssignmentId(3),
    "F-1",
    "fire",
    AssignmentState.OFFERED,
    Explanation(AssignReason.NEAREST_CAPABLE, 811.6, (PassedOver("P-1", 90.0, AssignReason.NOT_FREE),)),
    Micros(5),
)
BY_ROAD = msgspec.structs.replace(
    SENT, explanation=msgspec.structs.replace(SENT.explanation, reason=AssignReason.FASTEST_BY_ROAD, travel_s=150.4)
)
RELIEF = Assignment(
    AssignmentId(4),
    "F-2",
    "fire",
    AssignmentState.OFFERED,
    Explanation(AssignReason.RELIEF, 20.4, ()),
    Micros(5),
    relieves=Relief(SENT.assignment_id, SENT.crew, 140.0),
)
FIRE = Incident(
    incident_id=IncidentId(7),
    version=4,
    state=IncidentState.ASSIGNED,
    category=CategoryCode("fire"),
    priority=2,
    opened_us=Micros(1),
    updated_us=Micros(5),
    told_us=Micros(5),
    needs=("fire", "ambulance"),
    place=Evidence(LocationSource.ADDRESS, 43.25, 76.945, 25.0, "Абай 10"),
    assignments=[SENT],
)


@pytest.mark.parametrize(
    ("incident", "line"),
    [
        (
            msgspec.structs.replace(FIRE, assignments=[BY_ROAD]),
            (
                "incident 7 v4 assigned: fire, priority 2; 43.25000,76.94500 ±25 m by address Абай 10; "
                "F-1 offered (fire, 812 m and 2.5 min by road, fastest_by_road, passed over 1); wants ambulance"
            ),
        ),
        (
            FIRE,
            (
                "incident 7 v4 assigned: fire, priority 2; 43.25000,76.94500 ±25 m by address Абай 10; "
                "F-1 offered (fire, 812 m, nearest_capable, passed over 1); wants ambulance"
            ),
        ),
        (
            msgspec.structs.replace(FIRE, assignments=[SENT, RELIEF]),
            (
                "incident 7 v4 assigned: fire, priority 2; 43.25000,76.94500 ±25 m by address Абай 10; "
                "F-1 offered (fire, 812 m, nearest_capable, passed over 1); "
                "F-2 offered (fire, 20 m, relief of F-1); wants ambulance"
            ),
        ),
        (
            msgspec.structs.replace(FIRE, state=IncidentState.CLOSED, place=None, assignments=[], result="put out"),
            "incident 7 v4 closed: fire, priority 2; no place; put out",
        ),
    ],
)
def test_incident_reads_as_it_is(incident: Incident, line: str) -> None:
    assert incident_line(incident) == line


def test_update_is_told_line_by_line() -> None:
    update = Update()
    crew = Crew(
        crew_id=CrewId("F-1"),
        state=CrewState.ASSIGNED,
        capabilities=("fire", "rescue"),
        territory="kz/almaty",
        incident_id=IncidentId(7),
        updated_us=Micros(5),
    )
    update.crews["F-1"] = encode_crew(crew)
    update.incidents[7] = encode_incident(FIRE)
    update.removed |= {7, 8}
    update.notices.append(Notice(IncidentId(7), Micros(6), "shift_lead", "accept", "", "not accepted in time"))
    update.notices.append(Notice(None, Micros(6), "shift_lead", "mode_set", "", "the centre works in heightened mode"))
    told = list(lines(update))
    assert told == [
        "crew F-1: assigned on incident 7; fire, rescue; kz/almaty",
        incident_line(FIRE),
        "incident 8: not in view any more",
        "notice: incident 7: not accepted in time",
        "notice: the centre works in heightened mode",
    ]
    assert list(json_lines(update)) == [encode_crew(crew).decode(), encode_incident(FIRE).decode()]
