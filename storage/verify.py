"""Proves that what is stored agrees with itself: `jedel verify` and the last step of every crash test (invariants 1, 3, 5, 7).

Place in the flow: none; it only reads. One snapshot, streamed: memory does not grow with the tables. The log is folded by a
function that `core` owns, given as an argument.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from enum import Enum
from typing import Final

import asyncpg
import msgspec

from core.decisions import LogEntry
from storage.errors import DRIVER_ERRORS, StorageError, translate

FINDINGS_MAX: Final = 100
"""Findings reported for each check; more of the same help nobody."""
_FETCH_ROWS: Final = 2_000


class Check(Enum):
    """What was found wrong."""

    LOG_GAP = "log_gap"
    """Versions of an incident's log do not rise by one from 1."""
    LOG_WITHOUT_INCIDENT = "log_without_incident"
    INCIDENT_WITHOUT_LOG = "incident_without_log"
    VERSION_DIFFERS = "version_differs"
    """The incident's row is not of its log's last version."""
    VIEW_DIFFERS = "view_differs"
    """The folded log is not the stored view."""
    FOLD_FAILED = "fold_failed"
    HIGH_WATER_LOW = "high_water_low"
    """A source's mark is below an event that is stored: it would be taken twice."""
    EVENT_TWICE = "event_twice"
    ASSIGNMENT_WITHOUT_INCIDENT = "assignment_without_incident"
    CREW_TWICE = "crew_twice"
    """A crew has more than one assignment that is neither ended nor held."""
    CREW_LOG_DIFFERS = "crew_log_differs"
    """The last line of what a crew did is not what its row says."""


class Finding(msgspec.Struct, frozen=True):
    """One thing that is wrong."""

    check: Check
    subject: str
    """The incident, source or crew it is about."""
    text: str


_QUERIES: Final = {
    Check.HIGH_WATER_LOW: (
        "SELECT e.source, 'highest event ' || max(e.seq) || ', mark ' || coalesce(max(s.high_water)::text, 'missing')"
        " FROM event e LEFT JOIN source s ON s.source = e.source"
        " GROUP BY e.source HAVING coalesce(max(s.high_water), 0) < max(e.seq) ORDER BY 1 LIMIT $1"
    ),
    Check.EVENT_TWICE: (
        "SELECT source || '/' || seq, count(*) || ' rows' FROM event GROUP BY source, seq HAVING count(*) > 1"
        " ORDER BY 1 LIMIT $1"
    ),
    Check.ASSIGNMENT_WITHOUT_INCIDENT: (
        "SELECT incident_id::text, 'assignment ' || assignment_id FROM assignment a"
        " WHERE NOT EXISTS (SELECT FROM incident i WHERE i.incident_id = a.incident_id) ORDER BY assignment_id LIMIT $1"
    ),
    Check.CREW_TWICE: (
        "SELECT crew_id, 'active assignments ' || string_agg(assignment_id::text, ', ' ORDER BY assignment_id)"
        " FROM assignment WHERE ended_at IS NULL AND NOT held GROUP BY crew_id HAVING count(*) > 1 ORDER BY 1 LIMIT $1"
    ),
    Check.CREW_LOG_DIFFERS: (
        # A crew without any line has been as it is for longer than lines are kept.
        "SELECT crew_id, 'the log ends with ' || last.state || ', the row says ' || crew.state"
        " FROM crew CROSS JOIN LATERAL (SELECT state, territory, incident_id FROM crew_log"
        "  WHERE crew_log.crew_id = crew.crew_id ORDER BY at DESC, batch DESC LIMIT 1) last"
        " WHERE (last.state, last.territory, last.incident_id)"
        "  IS DISTINCT FROM (crew.state, crew.territory, crew.incident_id) ORDER BY crew_id LIMIT $1"
    ),
}


async def verify(
    connection: asyncpg.Connection, fold: Callable[[Iterable[LogEntry]], bytes], renew: Callable[[bytes], bytes] = bytes
) -> list[Finding]:
    """Everything that is wrong with what is stored, at most `FINDINGS_MAX` findings a check; empty when all agrees.

    Args:
        connection: from `storage.session.connect`, outside a transaction.
        fold: an incident's log in order of version → its view as JSON.
        renew: a view as an earlier version of jedel wrote it → as today's writes it; the same where it is today's.

    Raises:
        StorageError: the database failed meanwhile. What `fold` raises is a finding.
    """
    findings: list[Finding] = []
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            for check, query in _QUERIES.items():
                findings += [Finding(check, subject, text) for subject, text in await connection.fetch(query, FINDINGS_MAX)]
            counts: dict[Check, int] = {}
            async for finding in _log_findings(connection, fold, renew):
                counts[finding.check] = counts.get(finding.check, 0) + 1
                if counts[finding.check] <= FINDINGS_MAX:
                    findings.append(finding)
    except StorageError:
        raise
    except DRIVER_ERRORS as error:
        raise translate(error) from error
    return findings


async def _log_findings(
    connection: asyncpg.Connection, fold: Callable[[Iterable[LogEntry]], bytes], renew: Callable[[bytes], bytes]
) -> AsyncIterator[Finding]:
    """Walks logs and incidents side by side, both in order of id."""
    logs = _logs(connection)
    log = await anext(logs, None)
    incidents = connection.cursor("SELECT incident_id, version, view FROM incident ORDER BY incident_id", prefetch=_FETCH_ROWS)
    async for incident_id, version, view in incidents:
        while log is not None and log[0].incident_id < incident_id:
            yield Finding(Check.LOG_WITHOUT_INCIDENT, str(log[0].incident_id), f"{len(log)} entries")
            log = await anext(logs, None)
        if log is None or log[0].incident_id > incident_id:
            yield Finding(Check.INCIDENT_WITHOUT_LOG, str(incident_id), f"version {version}")
            continue
        finding = _compare(incident_id, version, view, log, fold, renew)
        if finding is not None:
            yield finding
        log = await anext(logs, None)
    while log is not None:
        yield Finding(Check.LOG_WITHOUT_INCIDENT, str(log[0].incident_id), f"{len(log)} entries")
        log = await anext(logs, None)


async def _logs(connection: asyncpg.Connection) -> AsyncIterator[list[LogEntry]]:
    """The log of one incident after another."""
    entries: list[LogEntry] = []
    rows = connection.cursor(
        "SELECT incident_id, version, at, fact, actor, cause, body FROM incident_log ORDER BY incident_id, version",
        prefetch=_FETCH_ROWS,
    )
    async for row in rows:
        entry = LogEntry(*row)
        if entries and entries[0].incident_id != entry.incident_id:
            yield entries
            entries = []
        entries.append(entry)
    if entries:
        yield entries


def _compare(
    incident_id: int,
    version: int,
    view: bytes,
    log: list[LogEntry],
    fold: Callable[[Iterable[LogEntry]], bytes],
    renew: Callable[[bytes], bytes],
) -> Finding | None:
    subject = str(incident_id)
    versions = [entry.version for entry in log]
    if versions != list(range(1, len(log) + 1)):
        return Finding(Check.LOG_GAP, subject, f"versions {versions[:50]}")
    if version != len(log):
        return Finding(Check.VERSION_DIFFERS, subject, f"row of version {version}, log of {len(log)}")
    try:
        folded = fold(log)
    except Exception as error:  # whatever it is, the log is not one that the engine wrote
        return Finding(Check.FOLD_FAILED, subject, f"{type(error).__name__}: {error}")
    if folded != view and folded != _renewed(view, renew):
        at = next((n for n, (a, b) in enumerate(zip(folded, view, strict=False)) if a != b), min(len(folded), len(view)))
        return Finding(
            Check.VIEW_DIFFERS,
            subject,
            f"from byte {at}: the log says {folded[at : at + 80]!r}, the row {view[at : at + 80]!r}",
        )
    return None


def _renewed(view: bytes, renew: Callable[[bytes], bytes]) -> bytes:
    try:
        return renew(view)
    except Exception:  # whatever it is, no version of the engine wrote this view
        return view
