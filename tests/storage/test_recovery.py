"""What was committed comes back as it was."""

from __future__ import annotations

import asyncio

import msgspec

from core.decisions import Decisions
from core.instant import Micros
from core.patrol import PatrolPhase
from core.recovered import EMPTY, Device, EarlierCall, Recovered
from storage.recovery import recover
from storage.session import connect
from storage.writer import Writer
from tests.database import execute
from tests.storage import samples

HOUR_US = 3_600_000_000


def recovered_after(database: str, *batches: Decisions) -> Recovered:
    async def main() -> Recovered:
        writer = Writer(database, 0)
        for batch in batches:
            await writer.commit(batch)
        await writer.close()
        connection = await connect(database, "test")
        try:
            return await recover(connection)
        finally:
            await connection.close()

    return asyncio.run(main())


def test_recover_gives_the_empty_state_when_the_database_is_new(database: str) -> None:
    assert recovered_after(database) == EMPTY


def test_recover_gives_open_incidents_crews_answers_and_marks_when_batches_were_committed(database: str) -> None:
    asyncio.run(execute(database, "INSERT INTO device VALUES ('cam-1', 'camera', 43.1, 76.8, 'Абай 1')"))
    closed = samples.incident(2, closed_us=samples.NOW)
    later = Micros(samples.NOW + HOUR_US)
    got = recovered_after(
        database,
        samples.batch(
            1,
            high_water={"cams": 5, "tel": 1},
            incidents=[samples.incident(3), closed, samples.incident(1)],
            entries=[
                samples.told(1, phone="+77010000001"),
                samples.told(2, phone="+77010000002"),
                samples.told(3),
                # Neither is a new call: a dispatcher has opened the one and split the other off.
                samples.told(4, phone="+77010000004", kind="command"),
                samples.told(5, phone="+77010000005", reason="split"),
                samples.log(6),
            ],
            assignments=[samples.assignment(8, 1)],
            crews=[samples.crew("A-1", 1), samples.crew("A-2"), samples.crew("A-3")],
            positions=[samples.place("A-1"), samples.place("A-2", Micros(samples.NOW - 100 * HOUR_US))],
            commands=[samples.answer("c-2", later), samples.answer("c-1")],
        ),
        samples.batch(
            2,
            high_water={"cams": 7},
            incidents=[samples.incident(3, 2, created=False)],
            # Another number's call about the same happening is an earlier call of that number as well.
            entries=[samples.told(1, 2, later, phone="+77010000009", reason="near_same_category")],
            positions=[samples.place("A-1", later, 44.0)],
            now_us=later,
        ),
    )
    assert got == Recovered(
        batch_no=2,
        high_water={"cams": 7, "tel": 1},
        next_incident_id=4,
        next_assignment_id=9,
        incidents=[
            msgspec.structs.replace(samples.incident(1), created=False),
            samples.incident(3, 2, created=False),
        ],
        crews=[samples.crew("A-1", 1), samples.crew("A-2"), samples.crew("A-3")],
        positions=[samples.place("A-1", later, 44.0), samples.place("A-2", Micros(samples.NOW - 100 * HOUR_US))],
        earlier_calls=[
            EarlierCall("+77010000001", samples.NOW, 1),
            EarlierCall("+77010000002", samples.NOW, 2),
            EarlierCall("+77010000009", later, 1),
        ],
        answers=[samples.answer("c-1"), samples.answer("c-2", later)],
        devices=[Device("cam-1", 43.1, 76.8, "Абай 1")],
        last_us=later,
    )


def test_recover_gives_each_crews_last_patrol(database: str) -> None:
    got = recovered_after(
        database,
        samples.batch(1, patrols=[samples.patrol("P-10"), samples.patrol("жасақ «2»")]),
        samples.batch(2),
        samples.batch(3, patrols=[samples.patrol("P-2"), samples.patrol("P-10", PatrolPhase.ON_ROUTE)]),
    )
    assert got.patrols == [samples.patrol("P-10", PatrolPhase.ON_ROUTE), samples.patrol("P-2"), samples.patrol("жасақ «2»")]


def test_recover_leaves_out_calls_and_answers_that_nobody_asks_for_any_more(database: str) -> None:
    old = Micros(samples.NOW - 25 * HOUR_US)
    entries = [samples.told(1, at_us=old, phone="+77010000001")]
    got = recovered_after(
        database,
        samples.batch(
            1,
            incidents=[samples.incident(1, opened_us=old)],
            entries=entries,
            commands=[samples.answer("c", old)],
            now_us=old,
        ),
        samples.batch(2),
    )
    assert [incident.incident_id for incident in got.incidents] == [1]
    assert (got.earlier_calls, got.answers) == ([], [])


def test_recover_never_gives_an_id_again_when_its_row_was_pruned(database: str) -> None:
    asyncio.run(execute(database, "UPDATE centre SET next_incident_id = 50, next_assignment_id = 60"))
    got = recovered_after(database, samples.batch(1, incidents=[samples.incident(7)]))
    assert (got.next_incident_id, got.next_assignment_id) == (50, 60)
