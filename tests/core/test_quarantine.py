"""An engine that fails on one word: the lives of a centre find the event or order that it fails on, refuse it, and go on."""

from __future__ import annotations

import pytest
import trio

from core.centre import Centre, Ended
from core.commands import AddNote, CreateIncident, Order
from core.decisions import CommandAnswer, Decisions
from core.engine import Engine
from core.events import AnyEvent, Call, Chunk, Rejected
from core.inlet import Inlet
from core.instant import SECOND_US, Micros, to_datetime
from core.ports import Match, Subscriber
from core.quarantine import EngineFaultError, Quarantine
from core.state import Batch, CentreState
from core.telling import Happened
from core.vocabulary import IncidentId, RejectCode
from routing.crew_index import CrewTree
from tests.core.town import PLAIN_SCENARIOS, START_US, Committed, chunk
from tests.simulation.places import CATEGORIES, RULES, AddressTable, Halves

AT = to_datetime(START_US)
POISON = "poisoned"


class Fragile(AddressTable):
    """A gazetteer that one word kills."""

    def search(self, words: str, limit: int = 5) -> list[Match]:
        if words == POISON:
            raise ZeroDivisionError("no such word")
        return super().search(words, limit)


def call(seq: int, words: str) -> Call:
    return Call(seq=seq, at=AT, words=words, address=words)


class Lives:
    """Sources and a client that send again what is not committed, and one centre's life after another."""

    def __init__(self, events: dict[str, list[AnyEvent]], orders: list[Order]) -> None:
        self.committed = Committed()
        self.quarantine = Quarantine()
        self.faults: list[str] = []
        self.batches: list[int] = []
        self.now_us = Micros(START_US)
        self._events = events
        self._orders = orders

    async def live(self) -> bool:
        """Lives one life to its end. Returns whether everything was taken."""
        engine = Engine(
            RULES,
            CATEGORIES,
            PLAIN_SCENARIOS,
            Fragile(),
            Halves(),
            CrewTree(),
            self.committed.recovered(),
            self.quarantine.left_out,
        )
        inlet = Inlet()
        for source, events in self._events.items():
            left = [event for event in events if event.seq > self.committed.high_water.get(source, 0)]
            if left:
                inlet.offer(chunk(source, *left))
        for order in self._orders:
            if order.command.command_id not in self.committed.answers:
                inlet.order(order)
        centre = Centre(
            engine,
            inlet,
            now_us=lambda: self.now_us,
            lookup=self._lookup,
            commit=self._commit,
            committed=self.committed.take,
            region="KZ",
            quarantine=self.quarantine,
        )
        centre.finish()
        failed_before = len(self.faults)
        try:
            await centre.run()
        except EngineFaultError as fault:
            self.faults.append(str(fault))
        return len(self.faults) == failed_before

    async def until_done(self, lives_max: int = 10) -> int:
        """Lives until everything is taken. Returns the number of lives."""
        for number in range(1, lives_max + 1):
            if await self.live():
                return number
        raise AssertionError(f"no end after {lives_max} lives: {self.faults}")

    async def _lookup(self, phones: list[str]) -> dict[str, Subscriber]:
        raise AssertionError(f"nobody calls by phone here: {phones}")

    def _commit(self, decisions: Decisions, ended: Ended) -> None:
        self.batches.append(sum(len(taken.chunk.items) - taken.skip for taken in decisions.taken))
        trio.lowlevel.current_trio_token().run_sync_soon(ended, None)

    def refused(self) -> dict[tuple[str, int | None], RejectCode]:
        """What was refused, as it was committed."""
        return {
            (taken.chunk.source, item.seq): item.code
            for decisions in self.committed.decisions
            for taken in decisions.taken
            for item in taken.chunk.items[taken.skip :]
            if isinstance(item, Rejected)
        }


async def test_fault_when_one_event_causes_it_refuses_that_event_only() -> None:
    said = ["fight", "pain", POISON, "fire", "gas leak"]
    lives = Lives({"a": [call(seq, words) for seq, words in enumerate(said, start=1)], "b": [call(1, "burglar")]}, [])
    assert await lives.until_done() == 3
    assert lives.refused() == {("a", 3): RejectCode.INTERNAL_FAULT}
    assert lives.committed.high_water == {"a": 5, "b": 1}
    assert len(lives.committed.incidents) == 5
    assert "6 events and 0 orders are suspect" in lives.faults[0]
    assert "ZeroDivisionError: no such word" in lives.faults[1]
    assert "event a/3: refused from now on" in lives.faults[1]
    assert not lives.quarantine.is_careful


async def test_fault_when_two_events_cause_it_refuses_both() -> None:
    said = [POISON, "fight", POISON]
    lives = Lives({"a": [call(seq, words) for seq, words in enumerate(said, start=1)]}, [])
    assert await lives.until_done() == 4
    assert set(lives.refused()) == {("a", 1), ("a", 3)}


async def test_fault_when_an_order_causes_it_answers_that_order() -> None:
    orders = [
        Order("operator:a", CreateIncident(command_id="1", words="fight")),
        Order("operator:a", CreateIncident(command_id="2", words="fight", address=POISON)),
        Order("operator:a", AddNote(command_id="3", incident=1, words="x")),
    ]
    lives = Lives({"a": [call(1, "fire")]}, orders)
    assert await lives.until_done() == 3
    answers = {number: answer for number, answer in lives.committed.answers.items() if isinstance(answer, CommandAnswer)}
    assert {number: (answer.done, answer.reason) for number, answer in answers.items()} == {
        "1": (True, ""),
        "2": (False, "internal_fault"),
        "3": (True, ""),
    }
    assert lives.refused() == {}


async def test_portions_when_nothing_is_suspect_are_the_batch_itself() -> None:
    lives = Lives({"a": [call(seq, "fight") for seq in range(1, 6)]}, [])
    assert await lives.until_done() == 1
    assert lives.batches == [5]


async def test_term_on_which_the_engine_fails_is_its_incident_s_alone_and_the_shift_lead_is_told() -> None:
    lives = Lives({"a": [call(1, "fight")], "b": [call(1, "fire")]}, [])
    assert await lives.until_done() == 1
    state = CentreState(RULES, CATEGORIES, PLAIN_SCENARIOS, AddressTable(), Halves(), CrewTree())
    state.firing = IncidentId(1)
    now_us = Micros(START_US)
    assert "terms of incident 1" in lives.quarantine.blame(Batch([chunk("a", call(2, "fight"))], [], {}), state, now_us)
    state.firing = IncidentId(99)
    lives.quarantine.blame(Batch([], [], {}), state, now_us)
    assert not lives.quarantine.is_careful
    lives.now_us = Micros(START_US + 3_600 * SECOND_US)
    assert await lives.live()
    decisions = lives.committed.decisions[-1]
    told = {(notice.incident_id, notice.term) for notice in decisions.notices}
    assert {one for one in told if one[1] == "left_out"} == {(1, "left_out")}, "an incident that has ended needs no terms"
    assert {incident for incident, term in told if term != "left_out"} == {2}
    assert [one.key for one in decisions.tellings if one.template is Happened.INCIDENT_LEFT_OUT] == [
        f"incident/1/left_out/terms/{now_us}"
    ]


def seqs(batch: Batch) -> list[tuple[str, list[int | None], int]]:
    return [(one.source, [item.seq for item in one.items], one.last_seq) for one in batch.chunks]


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        (
            [chunk("a", call(1, "x"), call(2, "x"))],
            [[("a", [1], 1)], [("a", [2], 2)], []],
        ),
        (
            [chunk("b", call(1, "x")), chunk("a", call(2, "x"), call(3, "x")), chunk("b", call(2, "x"))],
            [[("b", [1], 1)], [("a", [2], 2)], [("a", [3], 3)], [("b", [2], 2)]],
        ),
        (
            [chunk("a", Rejected(None, RejectCode.MALFORMED, "$", ""), call(2, "x"))],
            [[("a", [None], 1)], [("a", [2], 2)], []],
        ),
        ([chunk("a", call(3, "x"), call(4, "x"))], [[("a", [3, 4], 4)]]),
    ],
)
def test_portions_when_two_events_of_a_source_are_suspect(
    chunks: list[Chunk], expected: list[list[tuple[str, list[int | None], int]]]
) -> None:
    quarantine = Quarantine()
    state = CentreState(RULES, CATEGORIES, PLAIN_SCENARIOS, AddressTable(), Halves(), CrewTree())
    quarantine.blame(Batch([chunk("a", call(1, "x"), call(2, "x"))], [], {}), state, Micros(0))
    assert [seqs(portion) for portion in quarantine.portions(Batch(chunks, [], {}))] == expected
    assert not quarantine.is_careful
