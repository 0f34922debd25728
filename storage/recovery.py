"""Reads the committed state back at start, so that the engine goes on as if the process had never died (invariants 3, 6, 7).

Place in the flow: before it. Rules: one snapshot (repeatable read), only open incidents, rows streamed so that a million of
them never stand in memory twice. "The last hours" count back from the centre's last batch, not from a clock, so that
recovery gives the same state whenever it runs.
"""

from __future__ import annotations

import gc
from typing import Final

import asyncpg
import msgspec

from core import limits
from core.decisions import CommandAnswer, CrewChange, IncidentChange, PositionRow
from core.identify import WINDOW_US
from core.instant import SECOND_US, Micros
from core.patrol import decode_patrol
from core.recovered import EarlierCall, Recovered
from core.scenario import Scenario
from core.vocabulary import CategoryCode, CrewState, IncidentState, Mode
from storage.devices import load_devices
from storage.errors import DRIVER_ERRORS, StorageError, StorageReason, translate

EARLIER_CALLS_US: Final = WINDOW_US
"""How far back a caller's earlier calls are looked for (OCC-1): the engine remembers them no longer."""
ANSWERS_US: Final = 24 * 3600 * SECOND_US
"""How far back answers are, for commands that are sent again."""
_FETCH_ROWS: Final = 5_000
_PATROLS: Final = 'SELECT state FROM patrol_state ORDER BY crew_id COLLATE "C"'
_EARLIER_CALLS: Final = (
    "SELECT phone, at, incident_id FROM (SELECT body #>> '{joined,caller,e164}' AS phone, at, incident_id, version, body"
    " FROM incident_log WHERE fact IN ('opened', 'event_joined') AND at >= $1) told WHERE phone <> ''"
    # An incident that a dispatcher opened or split off tells of no new call.
    " AND body #>> '{joined,kind}' <> 'command' AND body #>> '{joined,reason}' <> 'split' ORDER BY at, incident_id, version"
)
"""Every call of a number, not only the one that opened an incident; from the log, where numbers stand as they were read."""


async def recover(connection: asyncpg.Connection) -> Recovered:
    """The centre's committed state.

    Args:
        connection: from `storage.session.connect`, outside a transaction.

    Raises:
        StorageError: the database failed meanwhile; nothing was changed, try again.
    """
    collecting = gc.isenabled()
    # A million objects that all stay alive: the collector would walk them again and again, which doubles the CPU taken.
    gc.disable()
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return await _recover(connection)
    except StorageError:
        raise
    except DRIVER_ERRORS as error:
        raise translate(error) from error
    finally:
        if collecting:
            gc.enable()


async def read_earlier_calls(connection: asyncpg.Connection, since_us: int) -> list[EarlierCall]:
    """Every call since an instant from a number that was read, in order. Raises whatever asyncpg raises."""
    return [EarlierCall(*row) for row in await connection.fetch(_EARLIER_CALLS, since_us)]


async def _recover(connection: asyncpg.Connection) -> Recovered:
    centre = await connection.fetchrow(
        "SELECT last_batch, last_at,"
        " greatest(next_incident_id, (SELECT max(incident_id) + 1 FROM incident)) AS next_incident_id,"
        " greatest(next_assignment_id, (SELECT max(assignment_id) + 1 FROM assignment)) AS next_assignment_id"
        " FROM centre"
    )
    if centre is None:
        raise StorageError(StorageReason.INTERNAL, "the table centre has no row")
    sources = await connection.fetch("SELECT source, high_water FROM source")
    crews = await connection.fetch("SELECT crew_id, state, territory, incident_id, updated_at, view FROM crew ORDER BY crew_id")
    calls = await read_earlier_calls(connection, centre["last_at"] - EARLIER_CALLS_US)
    answers = await connection.fetch(
        "SELECT command_id, operator, at, done, incident_id, reason, text FROM command WHERE at >= $1"
        " ORDER BY at DESC, command_id DESC LIMIT $2",
        centre["last_at"] - ANSWERS_US,
        limits.COMMAND_MEMORY,
    )
    return Recovered(
        batch_no=centre["last_batch"],
        high_water={row["source"]: row["high_water"] for row in sources},
        next_incident_id=centre["next_incident_id"],
        next_assignment_id=centre["next_assignment_id"],
        incidents=await _open_incidents(connection),
        crews=[CrewChange(row[0], _CREW_STATES[row[1]], row[2], row[3], row[4], row[5]) for row in crews],
        positions=await _last_positions(connection, [row[0] for row in crews], centre["last_at"]),
        earlier_calls=calls,
        answers=[CommandAnswer(*row) for row in reversed(answers)],
        devices=await load_devices(connection),
        last_us=centre["last_at"] if centre["last_batch"] else Micros(0),
        mode=await _mode(connection),
        scenarios=[_scenario(row["body"]) for row in await connection.fetch("SELECT body FROM scenario ORDER BY key")],
        patrols=[decode_patrol(row["state"]) for row in await connection.fetch(_PATROLS)],
    )


async def _mode(connection: asyncpg.Connection) -> Mode:
    """The mode that was set last."""
    body = await connection.fetchval("SELECT body FROM centre_log WHERE fact = 'mode_set' ORDER BY entry DESC LIMIT 1")
    return Mode.DAILY if body is None else Mode(msgspec.json.decode(body)["mode"])


_scenario: Final = msgspec.json.Decoder(Scenario).decode


async def _last_positions(connection: asyncpg.Connection, crews: list[str], last_at_us: int) -> list[PositionRow]:
    """The last stored position of each crew that has one; all partitions are asked only for those that were still for days."""
    positions: list[PositionRow] = []
    for since_us in (last_at_us - 86_400 * SECOND_US, 0):
        found = await connection.fetch(
            "SELECT p.crew_id, p.at, p.latitude_deg, p.longitude_deg, p.accuracy_m, p.speed_mps, p.course_deg"
            " FROM unnest($1::text[]) AS c (crew_id) CROSS JOIN LATERAL"
            " (SELECT * FROM position WHERE position.crew_id = c.crew_id AND at >= $2 ORDER BY at DESC LIMIT 1) p",
            crews,
            since_us,
        )
        positions += [PositionRow(*row) for row in found]
        known = {row["crew_id"] for row in found}
        crews = [crew for crew in crews if crew not in known]
    return sorted(positions, key=_crew_of)


def _crew_of(position: PositionRow) -> str:
    return position.crew_id


_INCIDENT_STATES: Final = {state.value: state for state in IncidentState}
_CREW_STATES: Final = {state.value: state for state in CrewState}


async def _open_incidents(connection: asyncpg.Connection) -> list[IncidentChange]:
    incidents: list[IncidentChange] = []
    same: dict[str, str] = {}  # categories and territories are few: one string each, not one an incident
    cursor = await connection.cursor(
        "SELECT incident_id, version, opened_at, updated_at, state, category, priority, territory, latitude_deg, longitude_deg,"
        " crews, phone, view FROM incident WHERE closed_at IS NULL"
    )
    while rows := await cursor.fetch(_FETCH_ROWS):
        incidents += [
            IncidentChange(
                incident_id=incident_id,
                version=version,
                created=False,
                opened_us=opened_us,
                updated_us=updated_us,
                closed_us=None,
                state=_INCIDENT_STATES[state],
                category=CategoryCode(same.setdefault(category, category)),
                priority=priority,
                territory=same.setdefault(territory, territory),
                latitude_deg=latitude_deg,
                longitude_deg=longitude_deg,
                crews=tuple(crews),
                phone=phone,
                view=view,
            )
            for (
                incident_id,
                version,
                opened_us,
                updated_us,
                state,
                category,
                priority,
                territory,
                latitude_deg,
                longitude_deg,
                crews,
                phone,
                view,
            ) in rows
        ]
    incidents.sort(key=_id_of)
    return incidents


def _id_of(incident: IncidentChange) -> int:
    return incident.incident_id
