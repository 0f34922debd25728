"""The centre's tables as the writer sees them: columns in the schema's order, and a batch's rows for each.

Place in the flow: persist. One function a table turns a batch's decisions into rows; whether they travel by COPY or as
parameters of `commit_batch` is the writer's choice. Events are in `storage.event_rows`, since they are many.
Rule: the order here is the order in `migrations/`; a test compares them.
"""

from __future__ import annotations

from typing import Final

import msgspec

from core.decisions import (
    AssignmentChange,
    CentreEntry,
    CommandAnswer,
    CrewChange,
    IncidentChange,
    LogEntry,
    Notice,
    PositionRow,
    ScenarioRow,
)
from core.patrol import PatrolState, encode_patrol
from core.telling import Telling
from storage.copy_binary import Column, Kind, Row, Table

CENTRE_LOG_STEP: Final = 100_000
"""More than the lines that one batch can write into the centre's log: each is a command (`core.limits.COMMANDS_WAITING`)."""
SOURCE: Final = Table("source", Column("source", Kind.TEXT), Column("high_water", Kind.INT8))
EVENT: Final = Table(
    "event",
    Column("received_at", Kind.INSTANT),
    Column("source", Kind.TEXT),
    Column("seq", Kind.INT8),
    Column("kind", Kind.INT2),
    Column("at", Kind.INSTANT),
    Column("incident_id", Kind.INT8, nullable=True),
    Column("subject", Kind.TEXT),
    Column("payload", Kind.BYTES),
)
REJECTED_EVENT: Final = Table(
    "rejected_event",
    Column("received_at", Kind.INSTANT),
    Column("source", Kind.TEXT),
    Column("seq", Kind.INT8, nullable=True),
    Column("batch", Kind.INT8),
    Column("code", Kind.TEXT),
    Column("field", Kind.TEXT),
    Column("text", Kind.TEXT),
    Column("raw", Kind.BYTES),
)
INCIDENT: Final = Table(
    "incident",
    Column("incident_id", Kind.INT8),
    Column("version", Kind.INT4),
    Column("opened_at", Kind.INSTANT),
    Column("updated_at", Kind.INSTANT),
    Column("closed_at", Kind.INSTANT, nullable=True),
    Column("state", Kind.TEXT),
    Column("category", Kind.TEXT),
    Column("priority", Kind.INT2),
    Column("territory", Kind.TEXT),
    Column("latitude_deg", Kind.FLOAT8, nullable=True),
    Column("longitude_deg", Kind.FLOAT8, nullable=True),
    Column("crews", Kind.TEXTS),
    Column("phone", Kind.TEXT),
    Column("view", Kind.BYTES),
)
INCIDENT_LOG: Final = Table(
    "incident_log",
    Column("incident_id", Kind.INT8),
    Column("version", Kind.INT4),
    Column("at", Kind.INSTANT),
    Column("fact", Kind.TEXT),
    Column("actor", Kind.TEXT),
    Column("cause", Kind.TEXT),
    Column("body", Kind.BYTES),
)
ASSIGNMENT: Final = Table(
    "assignment",
    Column("assignment_id", Kind.INT8),
    Column("incident_id", Kind.INT8),
    Column("crew_id", Kind.TEXT),
    Column("capability", Kind.TEXT),
    Column("state", Kind.TEXT),
    Column("offered_at", Kind.INSTANT),
    Column("accepted_at", Kind.INSTANT, nullable=True),
    Column("en_route_at", Kind.INSTANT, nullable=True),
    Column("on_scene_at", Kind.INSTANT, nullable=True),
    Column("ended_at", Kind.INSTANT, nullable=True),
    Column("distance_m", Kind.FLOAT8),
    Column("explanation", Kind.BYTES),
    Column("held", Kind.BOOL),
)
CREW: Final = Table(
    "crew",
    Column("crew_id", Kind.TEXT),
    Column("state", Kind.TEXT),
    Column("territory", Kind.TEXT),
    Column("incident_id", Kind.INT8, nullable=True),
    Column("updated_at", Kind.INSTANT),
    Column("view", Kind.BYTES),
)
POSITION: Final = Table(
    "position",
    Column("crew_id", Kind.TEXT),
    Column("at", Kind.INSTANT),
    Column("latitude_deg", Kind.FLOAT8),
    Column("longitude_deg", Kind.FLOAT8),
    Column("accuracy_m", Kind.FLOAT8),
    Column("speed_mps", Kind.FLOAT8, nullable=True),
    Column("course_deg", Kind.FLOAT8, nullable=True),
)
COMMAND: Final = Table(
    "command",
    Column("command_id", Kind.TEXT),
    Column("operator", Kind.TEXT),
    Column("at", Kind.INSTANT),
    Column("done", Kind.BOOL),
    Column("incident_id", Kind.INT8, nullable=True),
    Column("reason", Kind.TEXT),
    Column("text", Kind.TEXT),
)
NOTICE: Final = Table(
    "notice",
    Column("incident_id", Kind.INT8, nullable=True),
    Column("at", Kind.INSTANT),
    Column("recipient", Kind.TEXT),
    Column("term", Kind.TEXT),
    Column("territory", Kind.TEXT),
    Column("text", Kind.TEXT),
    Column("crew_id", Kind.TEXT),
)

OUTBOX: Final = Table(
    "outbox",
    Column("key", Kind.TEXT),
    Column("at", Kind.INSTANT),
    Column("expires_at", Kind.INSTANT),
    Column("recipient", Kind.TEXT),
    Column("territory", Kind.TEXT),
    Column("incident_id", Kind.INT8, nullable=True),
    Column("template", Kind.TEXT),
    Column("values", Kind.BYTES),
    Column("priority", Kind.INT2),
    Column("state", Kind.TEXT),
    Column("passed_over", Kind.BYTES),
)

CENTRE_LOG: Final = Table(
    "centre_log",
    Column("entry", Kind.INT8),
    Column("at", Kind.INSTANT),
    Column("fact", Kind.TEXT),
    Column("actor", Kind.TEXT),
    Column("cause", Kind.TEXT),
    Column("body", Kind.BYTES),
)
SCENARIO: Final = Table("scenario", Column("key", Kind.TEXT), Column("at", Kind.INSTANT), Column("body", Kind.BYTES))
PATROL_STATE: Final = Table("patrol_state", Column("crew_id", Kind.TEXT), Column("state", Kind.BYTES))

ALL: Final = (
    SOURCE,
    EVENT,
    REJECTED_EVENT,
    INCIDENT_LOG,
    INCIDENT,
    ASSIGNMENT,
    CREW,
    POSITION,
    COMMAND,
    NOTICE,
    OUTBOX,
    CENTRE_LOG,
    SCENARIO,
    PATROL_STATE,
)
"""In the order of `commit_batch`'s parameters."""
UPSERTED: Final = (SOURCE, INCIDENT, ASSIGNMENT, CREW, OUTBOX, SCENARIO, PATROL_STATE)
"""Tables whose rows may meet earlier ones, which they replace, or in `outbox` and `scenario` leave as they are; rows of the
others are only ever added."""


def incident_row(change: IncidentChange) -> Row:
    """An incident as stored."""
    return (
        change.incident_id,
        change.version,
        change.opened_us,
        change.updated_us,
        change.closed_us,
        change.state.value,
        change.category,
        change.priority,
        change.territory,
        change.latitude_deg,
        change.longitude_deg,
        change.crews,
        change.phone,
        change.view,
    )


def log_row(entry: LogEntry) -> Row:
    """A line of an incident's log as stored."""
    return entry.incident_id, entry.version, entry.at_us, entry.fact, entry.actor, entry.cause, entry.body


def assignment_row(change: AssignmentChange) -> Row:
    """An assignment as stored."""
    return (
        change.assignment_id,
        change.incident_id,
        change.crew_id,
        change.capability,
        change.state.value,
        change.offered_us,
        change.accepted_us,
        change.en_route_us,
        change.on_scene_us,
        change.ended_us,
        change.distance_m,
        change.explanation,
        change.held,
    )


def crew_row(change: CrewChange) -> Row:
    """A crew as stored."""
    return change.crew_id, change.state.value, change.territory, change.incident_id, change.updated_us, change.view


def position_row(row: PositionRow) -> Row:
    """A thinned position as stored."""
    return row.crew_id, row.at_us, row.latitude_deg, row.longitude_deg, row.accuracy_m, row.speed_mps, row.course_deg


def command_row(answer: CommandAnswer) -> Row:
    """A command's answer as stored."""
    return answer.command_id, answer.operator, answer.at_us, answer.done, answer.incident_id, answer.reason, answer.text


def notice_row(notice: Notice) -> Row:
    """A notice as stored."""
    return notice.incident_id, notice.at_us, notice.to, notice.term, notice.territory, notice.text, notice.crew


def centre_log_row(entry: CentreEntry, batch_no: int, number: int) -> Row:
    """A line of the centre's own log as stored. Its number follows from its batch and its place there."""
    return batch_no * CENTRE_LOG_STEP + number, entry.at_us, entry.fact, entry.actor, entry.cause, entry.body


def scenario_row(row: ScenarioRow) -> Row:
    """A version of a scenario as stored."""
    return row.key, row.at_us, row.body


def patrol_row(state: PatrolState) -> Row:
    """A crew's patrol as stored."""
    return state.crew_id, encode_patrol(state)


def outbox_row(telling: Telling) -> Row:
    """A telling as stored: nobody has been looked for yet."""
    return (
        telling.key,
        telling.at_us,
        telling.expires_us,
        telling.to,
        telling.territory,
        telling.incident_id,
        telling.template.value,
        msgspec.json.encode(telling.values),
        telling.priority,
        "waiting",
        b"[]",
    )
