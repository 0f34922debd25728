"""The proof of a run: a clean one has no fault, and each thing that can be wrong is found and said in a line."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np
import pytest

from loadtest.locust_users.account import ClientLedger, RunRecord, SourceLedger, WorkerLedger
from loadtest.verify.proof import FAULTS_MAX, FaultKind, Proof, prove
from loadtest.verify.stored import Stored, StoredIncident

RUN = RunRecord(token="t", shape="day", seconds=10.0, times=1.0, started_us=0, workers=2, ended=["w0", "w1"])
PHONE = SourceLedger(
    source="t-w0-phone",
    sent=4,
    acked=4,
    kinds={"call": 3, "plate": 1},
    positions=[],
    watched=[1, 2, 4],
    refused={4: "time_out_of_range"},
    cuts=0,
)
CREWS = SourceLedger(
    source="t-w1-crews", sent=5, acked=5, kinds={"position": 5}, positions=[(1, 2), (4, 5)], watched=[], refused={}, cuts=0
)
WALL = ClientLedger(
    client="t-w0-wall",
    territory="",
    complete=True,
    seen={10: 3, 11: 1},
    calls_seen=2,
    repeated=[],
    disordered=[],
    cuts=0,
    resumed=0,
    reset=0,
)
DESK = msgspec.structs.replace(WALL, client="t-w1-desk", territory="kz/city/north", seen={10: 2})


class Case(NamedTuple):
    """A run whose parts can be put in other places."""

    run: RunRecord = RUN
    phone: SourceLedger = PHONE
    crews: SourceLedger = CREWS
    wall: ClientLedger = WALL
    desk: ClientLedger = DESK
    ledgers: tuple[str, ...] = ("w0", "w1")
    events: tuple[int, ...] = (1, 2, 3)
    rejected: tuple[tuple[int, str], ...] = ((4, "time_out_of_range"),)
    mark: int = 4
    incident_of: tuple[tuple[int, int], ...] = ((1, 10), (2, 11))
    north: str = "kz/city/north/quarter"
    version_of_call_1: int = 2
    foreign: tuple[str, ...] = ()

    def proof(self) -> Proof:
        ledgers = [
            WorkerLedger(
                token="t", worker=worker, cell_s=1.0, sources=[source], clients=[client], series={}, late={}, cpu_s=0.0
            )
            for worker, source, client in (("w0", self.phone, self.wall), ("w1", self.crews, self.desk))
            if worker in self.ledgers
        ]
        stored = Stored(
            events={
                "t-w0-phone": np.array(self.events, np.int64),
                "t-w1-crews": np.array([3], np.int64),
                **{name: np.array([1], np.int64) for name in self.foreign},
            },
            rejected={"t-w0-phone": list(self.rejected)},
            high_water={"t-w0-phone": self.mark, "t-w1-crews": 5},
            incident_of={f"t-w0-phone/{seq}": incident for seq, incident in self.incident_of},
            version_of={"t-w0-phone/1": (10, self.version_of_call_1), "t-w0-phone/2": (11, 1)},
            incidents={10: StoredIncident(3, self.north), 11: StoredIncident(1, "kz/city/south")},
        )
        return prove([self.run], ledgers, stored)


def phone(**changed: object) -> SourceLedger:
    return msgspec.structs.replace(PHONE, **changed)


def wall(**changed: object) -> ClientLedger:
    return msgspec.structs.replace(WALL, **changed)


def test_a_clean_run_has_no_fault_and_its_numbers_agree() -> None:
    proof = Case().proof()
    assert proof.faults == []
    totals = proof.totals
    assert (totals.sent, totals.acked, totals.stored, totals.refused, totals.positions) == (9, 9, 4, 1, 4)
    assert totals.sent == totals.stored + totals.refused + totals.positions
    # Both incidents to the wall, and the northern one to the desk of the north.
    assert (totals.watched, totals.incidents, totals.tellings, totals.clients) == (2, 2, 3, 2)


@pytest.mark.parametrize(
    ("case", "line"),
    [
        (Case(phone=phone(acked=2)), "not_acknowledged: t-w0-phone: 2 of 4 events, from t-w0-phone/3 on"),
        (Case(events=(1, 3)), "not_stored: t-w0-phone/2 was acknowledged and is in no table"),
        (Case(events=(1, 2, 2, 3)), "stored_twice: t-w0-phone/2 has 2 rows"),
        (Case(events=(1, 2, 3, 4)), "stored_twice: t-w0-phone/4 has 2 rows"),  # accepted, and refused
        (Case(events=(1, 2, 3, 5)), "stored_unsent: t-w0-phone/5 is stored; the last event sent was 4"),
        (Case(foreign=("t-w7-phone",)), "stored_unsent: t-w7-phone has rows, and no ledger speaks of it"),
        (Case(mark=3), "mark_differs: t-w0-phone: 4 events were sent, the centre has taken 3"),
        (
            Case(rejected=((4, "invalid_field"),)),
            "refusal_differs: t-w0-phone/4 was told time_out_of_range, the table says invalid_field",
        ),
        (
            Case(phone=phone(refused={})),
            "refusal_differs: t-w0-phone/4 is kept as time_out_of_range, its source was not told",
        ),
        (Case(incident_of=((1, 10),)), "not_in_incident: t-w0-phone/2 is stored without an incident"),
        (Case(wall=wall(complete=False)), "client_incomplete: t-w0-wall did not see the end of the run"),
        (
            Case(wall=wall(seen={10: 3})),
            "not_published: t-w0-wall was never told of incident 11, in which t-w0-phone/2 is",
        ),
        (
            Case(version_of_call_1=3),
            "not_published: t-w1-desk was told incident 10 up to version 2; t-w0-phone/1 is in it from 3 on",
        ),
        (Case(wall=wall(repeated=[(10, 3)])), "published_twice: t-w0-wall was told version 3 of incident 10 again"),
        (
            Case(wall=wall(disordered=[(10, 1)])),
            "published_backwards: t-w0-wall was told version 1 of incident 10 after a newer one",
        ),
        (
            Case(wall=wall(seen={10: 4, 11: 1})),
            "published_uncommitted: t-w0-wall was told version 4 of incident 10; stored is version 3",
        ),
        (
            Case(wall=wall(seen={10: 3, 11: 1, 99: 1})),
            "published_uncommitted: t-w0-wall was told version 1 of incident 99; stored is no such incident",
        ),
        (Case(run=msgspec.structs.replace(RUN, ended=["w0"])), "worker_missing: run t: 1 of 2 workers ended in order"),
    ],
)
def test_each_fault_is_found_and_is_the_only_one(case: Case, line: str) -> None:
    assert [fault.line for fault in case.proof().faults] == [line]


def test_the_clients_of_a_run_owe_nothing_to_another_run_of_the_folder() -> None:
    """Locust's page can begin one run after another; the first one's clients have left when the second one's calls come."""
    later = msgspec.structs.replace(PHONE, source="u-w0-phone", sent=1, acked=1, watched=[1], refused={}, kinds={"call": 1})
    left = msgspec.structs.replace(WALL, seen={10: 2, 11: 1})
    there = msgspec.structs.replace(WALL, client="u-w0-wall", seen={10: 3})
    ledgers = [
        WorkerLedger(token=token, worker="w0", cell_s=1.0, sources=[source], clients=[client], series={}, late={}, cpu_s=0.0)
        for token, source, client in (("t", PHONE, left), ("u", later, there))
    ]
    stored = Stored(
        events={"t-w0-phone": np.array([1, 2, 3], np.int64), "u-w0-phone": np.array([1], np.int64)},
        rejected={"t-w0-phone": [(4, "time_out_of_range")]},
        high_water={"t-w0-phone": 4, "u-w0-phone": 1},
        incident_of={"t-w0-phone/1": 10, "t-w0-phone/2": 11, "u-w0-phone/1": 10},
        version_of={"t-w0-phone/1": (10, 2), "t-w0-phone/2": (11, 1), "u-w0-phone/1": (10, 3)},
        incidents={10: StoredIncident(3, ""), 11: StoredIncident(1, "")},
    )
    runs = [msgspec.structs.replace(RUN, token=token, workers=1, ended=["w0"]) for token in ("t", "u")]
    proof = prove(runs, ledgers, stored)
    assert proof.faults == []
    assert (proof.totals.watched, proof.totals.incidents, proof.totals.tellings) == (3, 2, 3)


def test_a_worker_without_a_ledger_is_found() -> None:
    kinds = {fault.kind for fault in Case(ledgers=("w0",)).proof().faults}
    # What it sent is in the tables, and nobody speaks of it.
    assert kinds == {FaultKind.WORKER_MISSING, FaultKind.STORED_UNSENT}


def test_a_name_in_two_ledgers_is_found() -> None:
    kinds = {fault.kind for fault in Case(desk=msgspec.structs.replace(DESK, client=WALL.client)).proof().faults}
    assert kinds == {FaultKind.NAME_TWICE}


@pytest.mark.parametrize(
    "case",
    [
        # A source whose connection broke may have missed being told of a refusal; the row is there.
        Case(phone=phone(refused={}, cuts=1)),
        # A desk of the north owes nothing to an incident that lies in the south at the end.
        Case(north="kz/city/south", desk=msgspec.structs.replace(DESK, seen={})),
    ],
)
def test_what_the_protocols_allow_is_no_fault(case: Case) -> None:
    assert case.proof().faults == []


def test_many_faults_of_a_kind_are_counted_and_not_all_named() -> None:
    lines = [fault.line for fault in Case(phone=phone(sent=500, acked=500), mark=500).proof().faults]
    assert len(lines) == FAULTS_MAX + 1
    assert lines[-1] == f"not_stored: and {496 - FAULTS_MAX} more"
