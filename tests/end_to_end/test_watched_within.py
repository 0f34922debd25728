"""A real centre watched by a real Prometheus, whose fault lies within: the engine, a loop, memory, the clock, or who watches.

The faults are planted from outside (`tests/end_to_end/faulty.py`). What the runbook of each has people look at and do is tried
as well.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from core.commands import CreateIncident
from core.vocabulary import RejectCode
from ops.observe.dashboard import queries_of
from ops.observe.panels import ROWS
from protocols.dispatch.client import DispatchClient
from protocols.ingest.client import IngestClient
from protocols.ingest.message import EventError
from storage.session import connect
from tests.adapters.receiver import Receiver
from tests.end_to_end.faulty import FAULTY, HOARDED, POISON, SHIFT, SHIFT_S, STICK
from tests.end_to_end.prometheus import Sample
from tests.end_to_end.service import DISPATCHER_TOKEN, SOURCE_TOKEN, until
from tests.end_to_end.test_health import ask
from tests.end_to_end.watched_centre import Watched, as_asked, call, expressions, plates, sees, sees_end, watched_centre

pytestmark = [pytest.mark.end_to_end, pytest.mark.program("prometheus")]

IN_SECONDS = {"[6h]": "[10s]", "> 6 * 3600": "> 10", "> 64 * 1024 * 1024": "> 60 * 64 * 1024 * 1024"}
"""How memory must grow: as much in a minute as by the rules in an hour, for ten seconds."""
OF_PROCESSES = ("JedelNoActiveProcess", "JedelProcessUnreachable", "JedelNobodyStandsBy")


async def panel(watched: Watched, title: str) -> list[Sample]:
    """What the panels of this title show."""
    (expr,) = [expr for one, expr in queries_of(ROWS) if one == title]
    return await watched.prometheus.ask(as_asked(expr))


async def rows(watched: Watched, query: str) -> list[tuple[Any, ...]]:
    connection = await connect(watched.dsn, "test")
    try:
        return [tuple(row.values()) for row in await connection.fetch(query)]
    finally:
        await connection.close()


def logged(watched: Watched, event: str) -> list[Mapping[str, str]]:
    """Lines of the processes' log."""
    lines = [json.loads(line) for line in watched.service.log.read_text().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == event]


async def engine_fails(watched: Watched) -> None:
    """A caller's words kill the engine: the call is refused, others go on, and it is entered by hand in other words."""
    errors: list[EventError] = []
    async with IngestClient(watched.service.tcp_url, source="telephone", token=SOURCE_TOKEN, on_error=errors.append) as source:
        await source.push([call(1, POISON)])
        await source.flush()
        await source.push([call(2)])
        await source.flush()
    assert [(error.seq, error.code) for error in errors] == [(1, RejectCode.INTERNAL_FAULT)]
    await sees(watched, "JedelEngineFault")
    (text,) = expressions("JedelEngineFault")
    for branch in text.split(" or "):
        await watched.prometheus.holds(branch)
    shown = [one.metric for one in await panel(watched, "What was refused or failed")]
    assert {"stage": "correlate", "reason": "internal_fault"} in shown
    (refused,) = await rows(watched, "SELECT source, seq, code, raw FROM rejected_event")
    assert refused[:3] == ("telephone", 1, "internal_fault")
    assert POISON.encode() in refused[3]
    ends = logged(watched, "a life has ended")
    assert any("event telephone/1: refused from now on" in end["reason"] for end in ends)
    assert all("ZeroDivisionError: planted" in end["exception"] for end in ends)
    async with DispatchClient(watched.service.dispatch_url, DISPATCHER_TOKEN) as client:
        asked = (POISON, "in other words")
        by_hand = [CreateIncident(command_id=str(uuid4()), category="fire", words=words, place=call(1).fix) for words in asked]
        answers = [await client.command(order) for order in by_hand]
        assert [(answer.done, answer.reason) for answer in answers] == [(False, "internal_fault"), (True, "")]


async def loop_sticks(watched: Watched) -> None:
    """The thread of both loops stands still in the active process, until that is killed and the standby takes over."""
    pid, address = await watched.service.ready(), watched.service.active_health()
    os.kill(pid, STICK)
    waits = asyncio.create_task(watched.push("telephone", call(3)))
    await sees(watched, "JedelLoopStuck")
    loops = b"the host loop has not turned", b"the trio loop has not turned"

    async def both_told() -> bool:
        # One of them turned last a moment after the other.
        answer = await ask(address, "/livez")
        return all(loop in answer.body for loop in loops)

    await until(both_told, "both loops stand still and one is told of")
    for path in ("/livez", "/readyz"):
        answer = await ask(address, path)
        assert answer.status == 503
        assert set(answer.reasons) == {"loop_stuck"}
        for loop in loops:
            assert loop in answer.body
    assert any(one.metric["instance"] == f"{address[0]}:{address[1]}" for one in await panel(watched, "Since a loop turned"))
    assert not waits.done()
    await watched.service.kill_active()
    await waits
    await sees_end(watched, "JedelLoopStuck")


async def push_for_ever(cameras: IngestClient) -> None:
    """Has the engine decide one batch after another, each of which it keeps something of."""
    while True:
        await cameras.push(plates(1, camera=HOARDED))
        await cameras.flush()


async def memory_grows(watched: Watched) -> None:
    """The engine keeps what it should not, until its process is restarted at a quiet time."""
    await sees_end(watched, "JedelMemoryGrows", IN_SECONDS)
    await watched.prometheus.holds(f"{OPEN} == 3")
    async with watched.source("cameras") as cameras, asyncio.TaskGroup() as group:
        batches = group.create_task(push_for_ever(cameras))
        await sees(watched, "JedelMemoryGrows", IN_SECONDS)
        batches.cancel()
    assert [one.value[1] for one in await watched.prometheus.ask(OPEN)] == ["3"]
    watched.service.start()

    async def another() -> bool:
        return len(watched.service.health_addresses()) == 3

    await until(another, "the third process never said where it tells of its health")
    await watched.prometheus.watch("jedel", watched.service.health_addresses())
    await watched.prometheus.holds('jedel_state{state="standby"} == 1')
    assert await watched.service.stop_active() == 0
    await watched.push("telephone", call(4))
    await sees_end(watched, "JedelMemoryGrows", IN_SECONDS)


OPEN = 'sum (jedel_open_incidents and on (instance) (jedel_state{state="active"} == 1))'


async def clock_is_off(watched: Watched) -> None:
    """The active process's clock is set forward by an hour, and right again."""
    await watched.push("telephone", call(1))
    await watched.prometheus.holds('jedel_source_events_total{source="telephone"} == 1')
    pid, (host, port) = await watched.service.ready(), watched.service.active_health()
    os.kill(pid, SHIFT)
    await sees(watched, "JedelClockOff")
    (text,) = expressions("JedelClockOff")
    assert [one.metric["instance"] for one in await watched.prometheus.ask(text)] == [f"{host}:{port}"]
    shown = {one.metric["instance"]: float(one.value[1]) for one in await panel(watched, "Clock")}
    assert shown.pop(f"{host}:{port}") > SHIFT_S / 2
    assert all(abs(ahead_s) < SHIFT_S / 2 for ahead_s in shown.values())
    await watched.push("telephone", call(2))
    await sees(watched, "JedelSourceLags")
    os.kill(pid, SHIFT)
    await sees_end(watched, "JedelClockOff")
    await sees(watched, "JedelTimeAhead")
    await watched.push("telephone", call(3))
    # Sources are not behind for it.
    await sees_end(watched, "JedelSourceLags")
    opened = await rows(watched, "SELECT extract(epoch FROM opened_at - now()) FROM incident ORDER BY incident_id")
    right, off, later = (float(ahead_s) for (ahead_s,) in opened)
    assert right < SHIFT_S / 2 < off <= later
    # The centre's time goes on from where it was, a tenth slower than life, in the next process too.
    (ahead,) = [float(one.value[1]) for one in await panel(watched, "Time ahead") if float(one.value[1])]
    assert ahead < SHIFT_S
    await watched.service.kill_active()
    await watched.push("telephone", call(4))
    last = "SELECT extract(epoch FROM opened_at - now()) FROM incident ORDER BY incident_id DESC LIMIT 1"
    ((after,),) = await rows(watched, last)
    assert float(after) > SHIFT_S / 2
    host, port = watched.service.active_health()
    shown_ahead = f'jedel_time_ahead_seconds{{instance="{host}:{port}"}}'
    await watched.prometheus.holds(f"{SHIFT_S / 2} < {shown_ahead} < {ahead}")


async def nobody_watches(watched: Watched) -> None:
    """Somebody names the centre's job otherwise than the rules know it, and meanwhile a process dies."""
    addresses = watched.service.health_addresses()
    await watched.prometheus.watch("centre", addresses)
    await sees(watched, "JedelUnwatched")
    assert await watched.prometheus.jobs() == {"centre"}
    await watched.service.kill_active()
    await watched.prometheus.holds('up{job="centre"} == 0')
    for alert in OF_PROCESSES:
        assert [await watched.prometheus.ask(expr) for expr in expressions(alert)] == [[]]
    await watched.prometheus.watch("jedel", addresses)
    await sees_end(watched, "JedelUnwatched")
    await sees(watched, "JedelProcessUnreachable")


def test_alerts_come_true_when_jedel_itself_fails(tmp_path: Path, database: str) -> None:
    async def main() -> None:
        async with watched_centre(tmp_path, database, Receiver(), program=FAULTY) as watched:
            await engine_fails(watched)
            await loop_sticks(watched)
            await memory_grows(watched)
            assert await watched.prometheus.rule_faults() == []

    asyncio.run(main())


def test_alerts_come_true_when_the_clock_or_prometheus_is_set_wrong(tmp_path: Path, database: str) -> None:
    async def main() -> None:
        async with watched_centre(tmp_path, database, Receiver(), program=FAULTY) as watched:
            await clock_is_off(watched)
            await nobody_watches(watched)
            assert await watched.prometheus.rule_faults() == []

    asyncio.run(main())
