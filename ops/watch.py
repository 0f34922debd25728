"""`jedel watch`: what a centre publishes, as lines for a person: each incident, crew and notice as it changes.

Place in the flow: behind it, as a dispatch client. Newest state only: what changed twice between two looks is one line.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator

from core.crew import decode_crew
from core.incident import ACTIVE, Assignment, Incident, decode_incident
from protocols.dispatch.client import DispatchClient
from protocols.dispatch.message import Filter
from protocols.dispatch.mirror import Update


async def watch(
    url: str, token: str, selection: Filter, *, as_json: bool = False, on_connection: Callable[[bool, str], None] | None = None
) -> AsyncGenerator[str, None]:
    """Lines for what matches now, then for what changes, for ever; over breaks of the connection too.

    Args:
        url, token, on_connection: as `DispatchClient` has them.
        selection: what is watched.
        as_json: whether lines are whole views.

    Raises:
        DispatchError: the centre refuses the client.
        ValueError: the url is none of a dispatch client's.
    """
    async with DispatchClient(url, token, name="jedel watch", on_connection=on_connection) as client:
        async for update in client.subscribe("watch", selection):
            for line in json_lines(update) if as_json else lines(update):
                yield line


def json_lines(update: Update) -> Iterator[str]:
    """The views themselves, one a line."""
    for view in (*update.crews.values(), *update.incidents.values()):
        yield view.decode()


def lines(update: Update) -> Iterator[str]:
    """One line a crew, incident or notice that has changed."""
    for crew_view in update.crews.values():
        crew = decode_crew(crew_view)
        on = "" if crew.incident_id is None else f" on incident {crew.incident_id}"
        yield f"crew {crew.crew_id}: {crew.state.value}{on}; {', '.join(crew.capabilities)}; {crew.territory or 'everywhere'}"
    for view in update.incidents.values():
        yield incident_line(decode_incident(view))
    for number in sorted(update.removed - update.incidents.keys()):
        yield f"incident {number}: not in view any more"
    for notice in update.notices:
        about = "" if notice.incident_id is None else f"incident {notice.incident_id}: "
        yield f"notice: {about}{notice.text}"


def incident_line(incident: Incident) -> str:
    """Number, version, state, category, priority, place, crews with their distance and reason, and what is still wanted."""
    parts = [f"{incident.category}, priority {incident.priority}", _place(incident)]
    parts += [_assignment(one) for one in incident.assignments if one.state in ACTIVE]
    unmet = incident.unmet() if incident.is_open else []
    if unmet:
        parts.append(f"wants {', '.join(unmet)}")
    if incident.result:
        parts.append(incident.result)
    return f"incident {incident.incident_id} v{incident.version} {incident.state.value}: {'; '.join(parts)}"


def _place(incident: Incident) -> str:
    place = incident.place
    if place is None:
        return "no place"
    words = f" {place.text}" if place.text else ""
    return f"{place.latitude_deg:.5f},{place.longitude_deg:.5f} ±{place.accuracy_m:.0f} m by {place.source.value}{words}"


def _assignment(assignment: Assignment) -> str:
    why = assignment.explanation
    sent = f"{assignment.crew} {assignment.state.value}"
    passed = f", passed over {len(why.passed_over)}" if why.passed_over else ""
    by_road = "" if why.travel_s is None else f" and {why.travel_s / 60:.1f} min by road"
    relieves = "" if assignment.relieves is None else f" of {assignment.relieves.crew}"
    return f"{sent} ({assignment.capability}, {why.distance_m:.0f} m{by_road}, {why.reason.value}{relieves}{passed})"
