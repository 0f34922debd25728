"""The demo: the simulated city against a running centre, watched on a terminal, ending in one line that says whether anything
was lost.

Place in the flow: all around it. Rules: the centre is the real one, spoken to through its sockets, and its database is
counted afterwards, so that what was acknowledged is proved twice: by the protocols and by the tables (invariants 1 and 2).
With no terminal nothing is drawn.
"""

from __future__ import annotations

from typing import Final

import asyncpg
import msgspec
import uvloop

from loadtest.board import Board
from loadtest.city import City
from loadtest.crews import Habits
from loadtest.drive import Centre, Outcome, drive
from loadtest.happening import Rates
from loadtest.ledger import Ledger
from loadtest.script import CityScript
from ops.demo_view import Frame, View, frame

PACE: Final = 20.0
"""The crews live so much faster than the clock, so that half a minute shows whole jobs."""
RATES: Final = Rates(happenings=2.0, panels=0.2, plates=300.0, readings=100.0, analytics=0.1)
HABITS: Final = Habits(
    accept_s=20.0, turnout_s=60.0, work_s=240.0, decline_share=0.03, silent_share=0.02, position_interval_s=1.0
)
"""In the crews' own time, but for the positions, which come by the clock."""


class Verdict(msgspec.Struct, frozen=True):
    """What a demo came to."""

    outcome: Outcome
    stored: dict[str, int]
    """Source → rows of events, accepted and refused, that the run has added to the tables."""

    @property
    def lost(self) -> int:
        """Events without an acknowledgement, calls without an incident, acknowledged events that the tables do not hold."""
        outcome = self.outcome
        unstored = sum(
            max(0, acked - outcome.positions.get(source, 0) - self.stored.get(source, 0))
            for source, acked in outcome.acked.items()
        )
        return outcome.result.lost + unstored

    @property
    def line(self) -> str:
        """The demo's one line."""
        result, board = self.outcome.result, self.outcome.board
        return (
            f"demo: events={result.sent} acked={result.acked} incidents={board.incidents} assigned={board.assigned} "
            f"published={board.published} lost={self.lost}"
        )


def demo_city(seed: int) -> City:
    """The city that the demo plays."""
    return City(seed, districts=4, streets=32, crews=90, cameras=200, subscribers=20_000, panels=120)


def run_demo(centre: Centre, dsn: str, city: City, seconds: float, view: View, *, seed: int = 1) -> Verdict:
    """Plays the city for some seconds, shows it, waits until everything is settled, and counts.

    Args:
        centre: where the running centre listens; its map, territories, subscribers and devices are the city's.
        dsn: its database.
        city: what is played.
        seconds: how long new events are sent.
        view: where it is shown.
        seed: of what happens.

    Raises:
        DispatchError, IngestRefusedError: the centre refuses the demo's tokens.
        OSError, asyncpg.PostgresError: it cannot be reached.
    """
    return uvloop.run(_run(centre, dsn, city, seconds, view, seed))


async def _run(centre: Centre, dsn: str, city: City, seconds: float, view: View, seed: int) -> Verdict:
    before = await count_rows(dsn)
    shown: list[Frame] = []

    def observe(ledger: Ledger, board: Board, elapsed_s: float) -> None:
        now = frame(ledger, board, elapsed_s, seconds, shown[-1] if shown else None)
        shown[:] = [now]
        view.show(now)

    with view:
        outcome = await drive(
            centre,
            CityScript.SOURCES,
            lambda start_us, next_seq: CityScript(city, RATES, seed, start_us, next_seq, PACE, HABITS),
            seconds,
            observe=observe,
        )
    after = await count_rows(dsn)
    return Verdict(outcome=outcome, stored={source: count - before.get(source, 0) for source, count in after.items()})


async def count_rows(dsn: str) -> dict[str, int]:
    """Source → its events in the tables, accepted and refused. Raises `OSError`, `asyncpg.PostgresError`."""
    connection = await asyncpg.connect(dsn, timeout=30)
    try:
        rows = await connection.fetch(
            "SELECT source, count(*) FROM (SELECT source FROM event UNION ALL SELECT source FROM rejected_event) AS told "
            "GROUP BY source"
        )
    finally:
        await connection.close()
    return {row["source"]: row["count"] for row in rows}
