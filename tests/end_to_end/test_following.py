"""A support engineer follows one call through a running service by grep: event, incident, crew, batch, acknowledged, told."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.events import Call, CrewStatus, Fix
from protocols.dispatch.client import DispatchClient
from protocols.ingest.client import IngestClient
from tests.end_to_end.service import DISPATCHER_TOKEN, SOURCE_TOKEN, Service, until

pytestmark = pytest.mark.end_to_end

SPELLINGS = ("+7 (701) 555-00-01", "8.701.555.00.02", "8 701\u00a05550003", "007 701 555 0004", "7015550005")
FIX = Fix(43.24, 76.94, 10.0)


def grep(lines: list[str], pattern: str) -> list[str]:
    """What `grep -E` would show."""
    return [line for line in lines if re.search(pattern, line)]


def batches(lines: list[str]) -> set[int]:
    return {json.loads(line)["batch"] for line in lines}


async def _work(folder: Path, dsn: str, level: str) -> list[str]:
    """A centre's work with one crew and five callers, at a level of the log. Returns the log's lines."""
    with Service(folder, dsn, settings={"log.level": level}) as service:
        process = service.start()
        await service.ready()
        async with DispatchClient(service.dispatch_url, DISPATCHER_TOKEN, name="board") as board:
            feed = board.subscribe("all")
            await feed.synced()
            async with IngestClient(service.tcp_url, source="crews", token=SOURCE_TOKEN) as crews:
                crew = CrewStatus(seq=1, at=datetime.now(UTC), crew="P-1", status="free", capabilities=("patrol",), fix=FIX)
                await crews.push([crew])
                await crews.flush()
            async with IngestClient(service.tcp_url, source="exchange", token=SOURCE_TOKEN) as exchange:
                for number, phone in enumerate(SPELLINGS, 1):
                    place = Fix(43.24 + number / 10, 76.94, 10.0)
                    words = f"драка, мой номер {phone}, Абая 10"
                    await exchange.push([Call(seq=number, at=datetime.now(UTC), phone=phone, words=words, fix=place)])
                await exchange.flush()

            async def told() -> bool:
                return len(feed.mirror.incidents) == len(SPELLINGS)

            await until(told, "the board has not been told")
        assert await service.stop(process) == 0
        return service.log.read_text().splitlines()


def test_one_call_is_followed_from_its_source_to_the_clients(tmp_path: Path, database: str) -> None:
    lines = asyncio.run(_work(tmp_path, database, "debug"))
    # From the event to its incident, and why; that is one batch.
    found = grep(lines, r'"exchange/1\b')
    (incident,) = {number for line in found for number in re.findall(r'"exchange/1 incident (\d+)"', line)}
    assert grep(lines, rf'"incident {incident} v1 opened event:exchange/1"')
    (batch,) = batches(grep(lines, rf'"exchange/1 incident {incident}"'))
    # From the incident to its crew.
    (assigned,) = grep(lines, rf'"incident {incident} assignment \d+ crew P-1 offered"')
    assert json.loads(assigned)["batch"] == batch
    # From the batch to who was told of it, in the order of the stages.
    about = grep(lines, rf'"batch": {batch}\b')
    stages = list(dict.fromkeys(json.loads(line)["event"] for line in about))
    assert stages == ["decided", "committed", "acknowledged", "published"]
    assert grep(about, r'"up_to": \["exchange/\d+"\]')
    (published,) = grep(about, rf'"incident {incident} v\d+ assigned"')
    assert json.loads(published)["clients"] == ["aida/1"]


def test_no_caller_is_in_any_line_at_any_level(tmp_path: Path, database: str) -> None:
    lines = asyncio.run(_work(tmp_path, database, "debug"))
    assert grep(lines, "exchange/5")
    for line in lines:
        digits = re.sub(r"\D", "", line)
        assert not re.search(r"701555000[1-5]", digits), line
        assert "драка" not in line
        assert "Абая" not in line


def test_below_debug_no_batch_has_a_line(tmp_path: Path, database: str) -> None:
    lines = asyncio.run(_work(tmp_path, database, "info"))
    assert not grep(lines, "exchange/1")
    assert {json.loads(line)["event"] for line in lines} & {"decided", "committed", "acknowledged", "published"} == set()
