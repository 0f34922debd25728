"""A real centre watched by a real Prometheus: every panel of the dashboard answers, and every alert on what the world does to a
centre is brought about, and its expression seen to come true. Those on jedel's own faults: `test_watched_within.py`.

Without their `for`: how long an alert waits is held by promtool (`tests/ops/observe/test_rules.py`), on virtual time.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from math import isnan
from pathlib import Path
from uuid import uuid4

import pytest

from core.commands import Accept, OnScene
from core.events import Alarm, AnyEvent, Position, SensorReading, VideoEvent
from ops.observe.dashboard import queries_of
from ops.observe.panels import ROWS
from protocols.dispatch.client import DispatchClient
from storage import embedded
from storage.session import connect
from tests.adapters.receiver import Receiver
from tests.database import CHEAP
from tests.end_to_end.prometheus import Prometheus, Sample
from tests.end_to_end.service import DISPATCHER_TOKEN, postmaster_pid, until
from tests.end_to_end.watched_centre import Watched, as_asked, call, crew, flood_unread, plates, sees, watched_centre
from tests.ops.doctor.pem import certificate
from tests.ops.observe.rules import ALERTS

pytestmark = [pytest.mark.end_to_end, pytest.mark.program("prometheus")]

TIMING = {"JedelAcknowledgementsSlow", "JedelTermsLate", "JedelLoopLate", "JedelProcessUnreachable"}
"""Alerts that a busy machine may rightly bring about."""
ONLY_IN_A_FAULT = {"Commits"}
"""Panels with a query that only stands for nothing having happened while nothing is wrong."""
ONLY_WITH_TLS = "Certificate expires in"
MAY_BE_BLANK = ONLY_IN_A_FAULT | {ONLY_WITH_TLS}
UNTIL_MEASURED = {"Within the field's targets, 1 h"}
"""Panels, and no others, that say nothing before anything was measured: a share of no calls is neither good nor bad."""


async def blank(prometheus: Prometheus, is_answer: Callable[[list[Sample]], bool]) -> list[tuple[str, str]]:
    """Panels whose query has no such answer, with the query."""
    asked = [(title, as_asked(expr)) for title, expr in queries_of(ROWS)]
    return [(title, expr) for title, expr in asked if not is_answer(await prometheus.ask(expr))]


def happened(samples: list[Sample]) -> bool:
    """Whether it is a number, and not what stands for nothing having happened."""
    numbers = [sample for sample in samples if not isnan(float(sample.value[1]))]
    return any("none" not in sample.metric.values() for sample in numbers)


async def serve_one_incident(client: DispatchClient) -> None:
    """Accepts for a crew that is offered an incident, and has it arrive."""
    feed = client.subscribe("all")
    async for _ in feed:
        for number, view in list(feed.mirror.incidents.items()):
            tasks = json.loads(view)["assignments"]
            if any(task["state"] == "on_scene" for task in tasks):
                continue  # somebody was there already, and only the first one counts
            for task in tasks:
                if task["state"] == "offered":
                    known = {"incident": number, "crew": task["crew"]}
                    # The offer may have run out meanwhile; then the next one.
                    if (await client.command(Accept(command_id=str(uuid4()), **known))).done:
                        assert (await client.command(OnScene(command_id=str(uuid4()), **known))).done
                        return


async def mixed_load(watched: Watched, part: int) -> None:
    """A little of everything that a centre sees in a day; each part has crews and incidents of its own."""
    now = datetime.now(UTC)
    place = call(1).fix
    assert place is not None
    others: list[AnyEvent] = [
        SensorReading(seq=1, at=now, device="d", quantity="temperature_c", value=20.0),
        VideoEvent(seq=1, at=now, camera="c", analytic="crowd", fix=place),
        Position(seq=1, at=now, crew="F-0-1", latitude_deg=43.2, longitude_deg=76.9),
        Alarm(seq=1, at=now, device="panel", alarm="panel", fix=place),
    ]
    await watched.push("terminals", *(crew(f"F-{part}-{number}") for number in range(12)))
    async with DispatchClient(watched.service.dispatch_url, DISPATCHER_TOKEN) as client:
        await watched.push("telephone", *(call(3 * part + number) for number in range(3)))
        await serve_one_incident(client)
        await watched.push("city", *others, *plates(50))
        await watched.push_garbage("vandal", *range(3 * part + 1, 3 * part + 4))
        await flood_unread(watched.service)


def test_no_panel_is_blank_before_or_after_a_day_s_work(tmp_path: Path, database: str) -> None:
    async def main() -> None:
        async with watched_centre(tmp_path, database, Receiver()) as watched:
            prometheus = watched.prometheus
            assert {panel for panel, _ in await blank(prometheus, bool)} == UNTIL_MEASURED
            for alert in ALERTS:
                if alert.alert not in TIMING:
                    assert await prometheus.ask(alert.expr) == [], alert.alert
            async with DispatchClient(watched.service.dispatch_url, DISPATCHER_TOKEN) as client:
                await client.subscribe("wall").synced()
                await mixed_load(watched, 0)
                # What has a series only since it happened is seen to rise when it happens again.
                await prometheus.holds('jedel_call_response_seconds_count{until="on_scene"} > 0')
                await mixed_load(watched, 1)
                left: list[tuple[str, str]] = []

                async def everything_happened() -> bool:
                    left[:] = [one for one in await blank(prometheus, happened) if one[0] not in MAY_BE_BLANK]
                    return not left

                try:
                    await until(everything_happened, "")
                except TimeoutError as error:
                    raise AssertionError(f"blank after a load: {left}") from error
            assert await prometheus.rule_faults() == []

    asyncio.run(main())


async def peers_misbehave(watched: Watched) -> None:
    """Sources and clients at their worst."""
    # What a source has done when its series first appears is no increase to Prometheus.
    await watched.push_garbage("vandal", 1)
    await watched.prometheus.holds('jedel_source_rejected_total{source="vandal"} == 1')
    await watched.push_garbage("vandal", *range(2, 12))
    await sees(watched, "JedelSourceRefused")
    await flood_unread(watched.service)
    await sees(watched, "JedelSlowClientsCut")
    clients = [DispatchClient(watched.service.dispatch_url, DISPATCHER_TOKEN) for _ in range(4)]
    for client in clients:
        await client.__aenter__()
        await client.subscribe("all").synced()
    await sees(watched, "JedelPeersNearBound")
    for client in clients:
        await client.__aexit__(None, None, None)
    async with watched.source("cameras") as cameras:
        await cameras.push(plates(1))
        await watched.prometheus.holds('jedel_source_events_total{source="cameras"} == 1')
        await cameras.push(plates(2_000, age_s=60))
        await cameras.flush()
        await sees(watched, "JedelSourceLags")
        await sees(watched, "JedelSourceSilent", {"[15m]": "[3s]"})
    await sees(watched, "JedelSourceAway")


async def nobody_goes_or_is_told(watched: Watched) -> None:
    """Calls without crews, a duty officer who is not in the file of people, and a shift lead's server that says no."""
    await watched.push("telephone", *(call(number) for number in range(1, 4)))
    await sees(watched, "JedelCallsUnassigned")
    await sees(watched, "JedelNobodyToTell")
    await sees(watched, "JedelChannelFails")


async def process_stands_still(watched: Watched) -> None:
    """The active process is stopped and goes on some seconds later, past a crew's term to accept."""
    await watched.push("terminals", *(crew(f"F-{number}") for number in range(12)))
    pid = watched.service.active_pid()
    assert pid is not None
    files = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (open_files(pid) + 4, files[1]))
    await sees(watched, "JedelFilesNearBound")
    resource.prlimit(pid, resource.RLIMIT_NOFILE, files)
    await watched.push("telephone", call(9))
    os.kill(pid, signal.SIGSTOP)
    try:
        await sees(watched, "JedelProcessUnreachable")
        await sees(watched, "JedelNoActiveProcess")
        await watched.prometheus.holds("sum_over_time(up[20s]) < count_over_time(up[20s]) - 2")
    finally:
        os.kill(pid, signal.SIGCONT)
    await sees(watched, "JedelTermsLate")
    await sees(watched, "JedelLoopLate", {"[5m]": "[10s]"})


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def commits_hang(watched: Watched) -> None:
    """Another session of the database holds what every commit needs; cameras go on, and one commit's connection is cut."""
    connection = await connect(watched.dsn, "test")
    other = await connect(watched.dsn, "test")
    try:
        lock = connection.transaction()
        await lock.start()
        await connection.execute("SELECT * FROM centre FOR UPDATE")
        async with watched.source("cameras") as cameras, watched.source("more") as more:
            flood = [asyncio.create_task(client.push(plates(15_000))) for client in (cameras, more)]
            late = asyncio.create_task(watched.push("telephone", call(11)))
            await sees(watched, "JedelInletNearBound")
            await sees(watched, "JedelCommitStuck")
            assert await other.fetch(CUT, "jedel writer")
            await sees(watched, "JedelCommitsFail")
            await lock.rollback()
            await asyncio.gather(*flood, late)
            await cameras.flush()
            await more.flush()
        await sees(watched, "JedelAcknowledgementsSlow")
    finally:
        await connection.close()
        await other.close()


async def disk_fills(watched: Watched, folder: Path) -> None:
    """A file takes the room that was left on the disk, of a bound just below what was free."""
    (free,) = await watched.prometheus.ask('min (jedel_disk_free_bytes{folder="data"})')
    bound = int(free.value[1]) - FILE_BYTES // 2
    with (folder / "filler").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, FILE_BYTES)
        await sees(watched, "JedelDiskNearlyFull", {"2 * 1024 ^ 3": str(bound)})
    (folder / "filler").unlink()


FILE_BYTES = 512 * 1024**2
CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1 AND datname = current_database()"


def test_alerts_come_true_when_peers_and_people_fail(tmp_path: Path, database: str) -> None:
    async def main() -> None:
        async with watched_centre(tmp_path, database, Receiver(*[503] * 100)) as watched:
            await nobody_goes_or_is_told(watched)
            await peers_misbehave(watched)
            await process_stands_still(watched)
            await disk_fills(watched, tmp_path)
            await commits_hang(watched)
            assert await watched.prometheus.rule_faults() == []

    asyncio.run(main())


def test_alert_comes_true_before_a_certificate_expires(tmp_path: Path, database: str) -> None:
    listen = certificate(tmp_path / "certificates", 7, names="IP:127.0.0.1")
    tls = {"listen.tls_certificate": listen.tls_certificate, "listen.tls_key": listen.tls_key}

    async def main() -> None:
        async with watched_centre(tmp_path, database, Receiver(), tls) as watched:
            await sees(watched, "JedelCertificateExpires")
            (left,) = [expr for title, expr in queries_of(ROWS) if title == ONLY_WITH_TLS]
            assert happened(await watched.prometheus.ask(as_asked(left)))
            assert await watched.prometheus.rule_faults() == []

    asyncio.run(main())


def test_alerts_come_true_when_the_database_and_processes_die(tmp_path: Path) -> None:
    folder = tmp_path / "database"
    folder.mkdir()
    tmp_path.chmod(0o755)

    async def main(dsn: str) -> None:
        receiver = Receiver()
        async with watched_centre(tmp_path, dsn, receiver) as watched:
            for lives in (1, 2, 3):
                connection = await connect(dsn, "test")
                assert await connection.fetchval(HELD_LOCK)
                await connection.close()
                await watched.prometheus.holds(f"sum (jedel_lives_ended_total) >= {lives}")
                await watched.service.ready()
            await sees(watched, "JedelLivesEnd")
            # A receiver that answers nobody: more messages than are tried at once.
            receiver.answers.clear()
            await watched.push("telephone", *(call(number) for number in range(1, 25)))
            await sees(watched, "JedelTellingsOverdue", {"> 120": "> 0.5"})
            receiver.answers.set()
            os.kill(postmaster_pid(folder), signal.SIGINT)
            await sees(watched, "JedelDatabaseAway")
            await sees(watched, "JedelNoActiveProcess")
            servers.append(await asyncio.to_thread(embedded.start, folder, CHEAP))
            await watched.prometheus.holds('count (jedel_state{state="active"} == 1) == 1')
            await watched.prometheus.holds('count (jedel_state{state="standby"} == 1) == 1')
            await watched.service.kill_active()
            await sees(watched, "JedelProcessUnreachable")
            await sees(watched, "JedelNobodyStandsBy")
            await watched.service.kill_active()
            await sees(watched, "JedelNoActiveProcess")
            assert await watched.prometheus.rule_faults() == []

    servers = [embedded.start(folder, CHEAP)]
    try:
        asyncio.run(main(servers[0].dsn))
    finally:
        for server in servers:
            server.stop()


HELD_LOCK = (
    "SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a JOIN pg_locks l USING (pid)"
    " WHERE a.application_name = 'jedel lock' AND a.datname = current_database() AND l.locktype = 'advisory' AND l.granted"
)
