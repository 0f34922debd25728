"""The act of handover: what one shift lead gives over to the next, as it stood at that moment (OCC-3, OCC-9).

Everything in it is copied, so that the act says years later what both of them had before them. It changes nothing itself: to
make the next one the owner of the open incidents is an order to the engine for each of `Act.incidents`.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from core.incident import ACTIVE, Incident
from core.instant import Micros
from core.roster.fact import OFF, Mark
from core.roster.model import Person, Roster
from core.vocabulary import CrewState, IncidentId


class CrewOn(msgspec.Struct, frozen=True, gc=False):
    """A crew on an open incident."""

    crew: str
    state: str
    """Of its assignment."""


class RunningTerm(msgspec.Struct, frozen=True, gc=False):
    """A deadline that goes on over the handover."""

    kind: str
    due_us: Micros
    crew: str
    """Whose it is; `""` for one of the incident itself."""


class OpenIncident(msgspec.Struct, frozen=True, gc=False):
    """An incident that is given over."""

    incident_id: IncidentId
    version: int
    state: str
    category: str
    priority: int
    territory: str
    owner: str
    opened_us: Micros
    crews: tuple[CrewOn, ...]
    terms: tuple[RunningTerm, ...]


class CrewOut(msgspec.Struct, frozen=True, gc=False):
    """A crew that is not simply free."""

    crew: str
    state: str
    since_us: Micros
    incident_id: int | None
    planned_until_us: Micros | None
    """End of its shift; None where it serves without a plan."""


class OpenNotice(msgspec.Struct, frozen=True, gc=False):
    """Something a person was told about an incident that is still open."""

    incident_id: IncidentId
    at_us: Micros
    term: str
    text: str


class Act(msgspec.Struct, frozen=True, gc=False):
    """One handover."""

    at_us: Micros
    territory: str
    from_person: Person
    to_person: Person
    batch_no: int
    """The centre's last committed batch: what is in the act was so after it."""
    incidents: tuple[OpenIncident, ...]
    incident_count: int
    """How many there were; `incidents` has the most urgent `limits.HANDOVER_INCIDENTS_MAX`."""
    crews_out: tuple[CrewOut, ...]
    notices: tuple[OpenNotice, ...]
    notice_count: int


encode_act = msgspec.json.Encoder().encode
decode_act = msgspec.json.Decoder(Act).decode


def open_incident(incident: Incident) -> OpenIncident:
    """What the act says of an incident."""
    crews = {one.assignment_id: one.crew for one in incident.assignments}
    return OpenIncident(
        incident.incident_id,
        incident.version,
        incident.state.value,
        incident.category,
        incident.priority,
        incident.territory,
        incident.owner,
        incident.opened_us,
        tuple(CrewOn(one.crew, one.state.value) for one in incident.assignments if one.state in ACTIVE),
        tuple(
            RunningTerm(term.kind.value, term.due_us, "" if term.assignment_id is None else crews.get(term.assignment_id, ""))
            for term in sorted(incident.terms, key=lambda term: term.due_us)
        ),
    )


def crews_out(marks: Iterable[Mark], roster: Roster, at_us: int) -> tuple[CrewOut, ...]:
    """The crews that work, are busy or out of service, and those on duty although their shift is over; in order of call sign.

    Args:
        marks: the newest of each crew.
        roster: the plan around the instant.
        at_us: the instant of the handover.
    """
    until = {shift.crew: shift.until_us for shift in roster.at(at_us)}
    return tuple(
        CrewOut(mark.crew, mark.state, mark.at_us, mark.incident_id, until.get(mark.crew))
        for mark in sorted(marks, key=lambda mark: mark.crew)
        if mark.state != OFF and (mark.state != CrewState.FREE.value or mark.crew not in until)
    )
