"""Small batches for the storage tests: what an engine could have decided, without an engine."""

from __future__ import annotations

import msgspec

from core.decisions import (
    AssignmentChange,
    CommandAnswer,
    CrewChange,
    Decisions,
    IncidentChange,
    LogEntry,
    Notice,
    PositionRow,
    Taken,
)
from core.events import AnyEvent, Chunk, Rejected
from core.instant import SECOND_US, Micros
from core.patrol import PatrolFault, PatrolPhase, PatrolState, RouteId
from core.telling import Happened, Telling
from core.vocabulary import (
    AssignmentId,
    AssignmentState,
    CategoryCode,
    CrewId,
    CrewState,
    IncidentId,
    IncidentState,
)

NOW = Micros(1_714_557_600_123_456)
"""2024-05-01 10:00:00.123456 UTC."""
_DECODER = msgspec.json.Decoder(AnyEvent)


def plate(seq: int, plate: str = "123ABC02") -> bytes:
    """A plate read as its source writes it."""
    text = f'{{"kind":"plate","seq":{seq},"at":"2024-05-01T10:00:00.000{seq % 1000:03d}Z","camera":"cam-1","plate":"{plate}"}}'
    return text.encode()


def call(seq: int, phone: str = "+77011234567") -> bytes:
    """A call as its source writes it."""
    return f'{{"kind":"call","seq":{seq},"at":"2024-05-01T10:00:00Z","phone":"{phone}","words":"пожар"}}'.encode()


def position(seq: int, crew: str = "A-1") -> bytes:
    """A position as its source writes it."""
    text = f'{{"kind":"position","seq":{seq},"at":"2024-05-01T10:00:00Z","crew":"{crew}",'
    text += '"latitude_deg":43.2,"longitude_deg":76.9}'
    return text.encode()


def taken(
    raws: list[bytes],
    source: str = "cams",
    *,
    skip: int = 0,
    incidents: dict[int, IncidentId] | None = None,
    rejected: dict[int, Rejected] | None = None,
    refused_by_codec: dict[int, Rejected] | None = None,
    received_us: Micros = NOW,
) -> Taken:
    """A chunk of these bytes; `refused_by_codec` replaces what its codec could not accept."""
    refused = refused_by_codec or {}
    items = [refused[number] if number in refused else _DECODER.decode(raw) for number, raw in enumerate(raws)]
    chunk = Chunk(source, received_us, items, raws, len(raws), urgent=False)
    return Taken(chunk, skip, incidents or {}, rejected or {})


def incident(
    number: int, version: int = 1, *, created: bool = True, closed_us: Micros | None = None, opened_us: Micros = NOW
) -> IncidentChange:
    """An incident whose view is the number of its log's lines."""
    return IncidentChange(
        incident_id=IncidentId(number),
        version=version,
        created=created,
        opened_us=opened_us,
        updated_us=Micros(opened_us + version),
        closed_us=closed_us,
        state=IncidentState.CLOSED if closed_us else IncidentState.ASSIGNED,
        category=CategoryCode("fire"),
        priority=2,
        territory="kz/almaty/medeu",
        latitude_deg=43.25,
        longitude_deg=None,
        crews=("A-1", "жасақ «2»"),
        phone=f"+7701{number:07d}",
        view=f'{{"lines":{version}}}'.encode(),
    )


def log(number: int, version: int = 1, at_us: Micros = NOW) -> LogEntry:
    """One line of an incident's log."""
    return LogEntry(IncidentId(number), version, at_us, "opened", "source:tel", f"event:tel/{number}", b'{"fact":"opened"}')


def told(
    number: int, version: int = 1, at_us: Micros = NOW, *, phone: str = "", kind: str = "call", reason: str = "first"
) -> LogEntry:
    """A line of an incident's log that tells of a call."""
    fact = "opened" if version == 1 else "event_joined"
    body = f'{{"type":"{fact}","joined":{{"kind":"{kind}","reason":"{reason}","caller":{{"e164":"{phone}"}}}}}}'
    return LogEntry(IncidentId(number), version, at_us, fact, "source:tel", f"event:tel/{number}", body.encode())


def assignment(
    number: int, incident_id: int, crew: str = "A-1", *, created: bool = True, ended_us: Micros | None = None
) -> AssignmentChange:
    """An assignment, active unless ended."""
    return AssignmentChange(
        assignment_id=AssignmentId(number),
        incident_id=IncidentId(incident_id),
        crew_id=CrewId(crew),
        capability="fire",
        state=AssignmentState.CLEARED if ended_us else AssignmentState.OFFERED,
        created=created,
        offered_us=NOW,
        accepted_us=ended_us,
        en_route_us=None,
        on_scene_us=None,
        ended_us=ended_us,
        distance_m=1234.5,
        explanation=b'{"reason":"nearest_capable"}',
    )


def crew(crew_id: str, incident_id: int | None = None) -> CrewChange:
    """A crew's state."""
    state = CrewState.FREE if incident_id is None else CrewState.ASSIGNED
    found = None if incident_id is None else IncidentId(incident_id)
    return CrewChange(CrewId(crew_id), state, "kz/almaty", found, NOW, b'{"crew":1}')


def place(crew_id: str, at_us: Micros = NOW, latitude_deg: float = 43.2) -> PositionRow:
    """A thinned position."""
    return PositionRow(CrewId(crew_id), at_us, latitude_deg, 76.9, 5.0, None, 90.0)


def answer(command_id: str, at_us: Micros = NOW) -> CommandAnswer:
    """A command's answer."""
    return CommandAnswer(command_id, "aigul", at_us, done=False, incident_id=None, reason="unknown_incident", text="жоқ")


def notice(number: int) -> Notice:
    """A passed term."""
    return Notice(IncidentId(number), NOW, "shift_lead", "accept", "kz/almaty", "not accepted in 60 s")


def telling(
    key: str = "incident/1/accept/1/step/0",
    *,
    to: str = "shift_lead",
    priority: int = 2,
    at_us: Micros = NOW,
    lives_s: int = 600,
    incident_id: int | None = 1,
) -> Telling:
    """Somebody is to be told that a crew has not accepted its task."""
    found = None if incident_id is None else IncidentId(incident_id)
    values = {"crew": "A-1", "category": "fire", "address": "Абай даңғылы, 10"}
    expires_us = Micros(at_us + lives_s * SECOND_US)
    return Telling(key, to, "kz/almaty/medeu", found, Happened.ACCEPT_PASSED, values, at_us, expires_us, priority)


def patrol(crew_id: str, phase: PatrolPhase = PatrolPhase.OFF_ROUTE) -> PatrolState:
    """How a crew stands to its route."""
    fault = PatrolFault.OFF_ROUTE if phase is PatrolPhase.OFF_ROUTE else None
    return PatrolState(
        crew_id=CrewId(crew_id),
        route_id=RouteId("абай"),
        version=3,
        phase=phase,
        since_us=NOW,
        from_us=Micros(NOW - 3_600_000_000),
        until_us=Micros(NOW + 3_600_000_000),
        fault=fault,
        fault_since_us=NOW if fault else Micros(0),
        started=True,
    )


def batch(
    batch_no: int,
    *chunks: Taken,
    high_water: dict[str, int] | None = None,
    entries: list[LogEntry] | None = None,
    incidents: list[IncidentChange] | None = None,
    assignments: list[AssignmentChange] | None = None,
    crews: list[CrewChange] | None = None,
    positions: list[PositionRow] | None = None,
    commands: list[CommandAnswer] | None = None,
    notices: list[Notice] | None = None,
    tellings: list[Telling] | None = None,
    patrols: list[PatrolState] | None = None,
    now_us: Micros = NOW,
) -> Decisions:
    """One batch's decisions; everything that is not given is empty."""
    return Decisions(
        batch_no=batch_no,
        now_us=now_us,
        taken=list(chunks),
        high_water=high_water or {},
        log=entries or [],
        incidents=incidents or [],
        assignments=assignments or [],
        crews=crews or [],
        positions=positions or [],
        commands=commands or [],
        notices=notices or [],
        live_positions=[],
        tellings=tellings or [],
        patrols=patrols or [],
    )
