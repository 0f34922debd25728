"""The report of a replay, from a real database with rows laid by hand."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from loadtest.board import Board
from loadtest.drive import Outcome
from loadtest.ledger import Ledger
from ops.cad import read_cad
from ops.replay import Played
from ops.replay_report import Report, as_lines, report
from tests.database import execute
from tests.ops.test_cad import text

CALLS = 4
ASSIGNMENT = (
    "INSERT INTO assignment (assignment_id, incident_id, crew_id, capability, state, offered_at, on_scene_at, distance_m, "
    "explanation) VALUES "
)
REJECTED = "INSERT INTO rejected_event VALUES "
LOG = "INSERT INTO incident_log VALUES "
ROWS = (
    # Call 11 opens incident 1, to which E1 goes after 2 s and arrives after 30 s; call 12 joins it afterwards.
    "INSERT INTO event VALUES ('2026-01-01 10:00Z', 'telephone', 11, 1, '2026-01-01 10:00:00Z', 1, '', '{}')",
    "INSERT INTO event VALUES ('2026-01-01 10:00Z', 'telephone', 12, 1, '2026-01-01 10:00:20Z', 1, '', '{}')",
    # Call 13 opens incident 2, which waits 40 s for a crew that is never on scene; to call 14 nobody goes.
    "INSERT INTO event VALUES ('2026-01-01 10:00Z', 'telephone', 13, 1, '2026-01-01 10:01:00Z', 2, '', '{}')",
    "INSERT INTO event VALUES ('2026-01-01 10:00Z', 'telephone', 14, 1, '2026-01-01 10:01:00Z', 3, '', '{}')",
    # Another source's event, a call before the replay, and an update: none of them counts.
    "INSERT INTO event VALUES ('2026-01-01 10:00Z', 'crews', 12, 8, '2026-01-01 10:00Z', 1, '', '{}')",
    "INSERT INTO event VALUES ('2026-01-01 10:00Z', 'telephone', 10, 1, '2026-01-01 10:00Z', 9, '', '{}')",
    "INSERT INTO event VALUES ('2026-01-01 10:00Z', 'telephone', 15, 2, '2026-01-01 10:00Z', 9, '', '{}')",
    ASSIGNMENT + "(1, 1, 'E1', 'fire', 'on_scene', '2026-01-01 10:00:02Z', '2026-01-01 10:00:30Z', 1, '{}')",
    ASSIGNMENT + "(2, 1, 'M1', 'ambulance', 'offered', '2026-01-01 10:00:03Z', NULL, 1, '{}')",
    ASSIGNMENT + "(3, 2, 'E2', 'fire', 'offered', '2026-01-01 10:01:40Z', NULL, 1, '{}')",
    # Crews of another capability went at once and in between; the one it waited for came later.
    LOG + """(2, 1, '2026-01-01 10:01:00Z', 'crew_assigned', 'engine', '', '{"capability":"ladder"}')""",
    LOG + """(2, 2, '2026-01-01 10:01:00Z', 'queued', 'engine', '', '{"capability":"fire"}')""",
    LOG + """(2, 3, '2026-01-01 10:01:10Z', 'crew_assigned', 'engine', '', '{"capability":"ladder"}')""",
    LOG + """(2, 4, '2026-01-01 10:01:40Z', 'crew_assigned', 'engine', '', '{"capability":"fire"}')""",
    LOG + """(3, 2, '2026-01-01 10:01:00Z', 'queued', 'engine', '', '{"capability":"fire"}')""",
    LOG + """(3, 3, '2026-01-01 10:02:00Z', 'queued', 'engine', '', '{"capability":"fire"}')""",
    LOG + """(3, 4, '2026-01-01 10:02:00Z', 'queued', 'engine', '', '{"capability":"ladder"}')""",
    REJECTED + "(now(), 'crews', 2, 1, 'illegal_move', '$.status', '', '')",
    REJECTED + "(now(), 'crews', 4, 1, 'unknown_crew', '$.crew', '', '')",
    REJECTED + "(now(), 'telephone', 1, 1, 'malformed', '', '', '')",
    "INSERT INTO notice VALUES (3, '2026-01-01 10:02Z', 'shift_lead', 'crew', '', '')",
    "INSERT INTO notice VALUES (3, '2026-01-01 10:03Z', 'shift_lead', 'crew', '', '')",
    "INSERT INTO notice VALUES (9, '2026-01-01 10:03Z', 'shift_lead', 'accept', '', '')",
)


def reported(database: str, folder: Path, *changes: str) -> Report:
    (folder / "cad.csv").write_text(text(*({"Call Number": str(number)} for number in range(CALLS))))
    ledger = Ledger()
    ledger.send("telephone", 11, 14, (11,), 0)
    ledger.acknowledge("telephone", 14, 5_000)
    ledger.send("crews", 1, 4, (), 0)
    ledger.acknowledge("crews", 4, 5_000)
    ledger.reject("crews", 2, "illegal_move")
    ledger.reject("crews", 4, "unknown_crew")
    outcome = Outcome(ledger.result(), {}, Board(), {}, {}, {}, (), 0.0)
    played = Played(read_cad(folder / "cad.csv").calls, 11, frozenset({1, 2}), outcome)

    async def run() -> Report:
        await execute(database, *ROWS, *changes)
        return await report(database, played, 10.0)

    return asyncio.run(run())


def test_report_counts_what_the_tables_hold(database: str, tmp_path: Path) -> None:
    found = reported(database, tmp_path)
    assert (found.calls, found.incidents, found.lost) == (4, 3, 1)
    # The centre answered two reports with an error; one of them was of a task that it took back meanwhile.
    assert (found.refused, found.crossed) == (1, 1)
    dispatched, decided, travelled, arrived = (interval.replayed for interval in found.intervals)
    # Ten recorded seconds each of the clock's; call 12 came when everything was done, so it is no interval.
    assert (dispatched.count, dispatched.mean_s, dispatched.p90_s) == (2, (20.0 + 400.0) / 2, 400.0)
    # Of it, the call takers needed 142 s each.
    assert (decided.count, decided.mean_s) == (2, (20.0 + 400.0) / 2 - 142.0)
    assert (travelled.count, travelled.mean_s) == (1, 280.0)
    assert (arrived.count, arrived.mean_s) == (1, 300.0)
    assert (found.recorded_assignments, found.assignments, found.unassigned_calls) == (4, 3, 1)
    assert (found.queued_calls, found.queued_needs, found.queue.count, found.queue.mean_s) == (2, 3, 1, 400.0)
    assert found.terms == {"crew": 2}


def test_lines_tell_every_figure(database: str, tmp_path: Path) -> None:
    told = "\n".join(as_lines(reported(database, tmp_path)))
    for part in (
        "lost 1, refused 1",
        "crossed the withdrawal of their task: 1",
        "3 incidents",
        "210",
        "400",
        "4 recorded, 3 replayed",
        "terms fired: crew 2",
        "accept 60 s, no_crew 30 s",
    ):
        assert part in told


def test_call_is_lost_when_the_tables_do_not_hold_it(database: str, tmp_path: Path) -> None:
    found = reported(database, tmp_path, "DELETE FROM event WHERE seq IN (13, 14)")
    assert (found.calls, found.lost) == (4, 2)


def test_lines_are_told_when_nothing_happened(database: str, tmp_path: Path) -> None:
    found = msgspec.structs.replace(reported(database, tmp_path), terms={}, ack_p50_ms=0.0)
    assert "terms fired: none" in as_lines(found)
