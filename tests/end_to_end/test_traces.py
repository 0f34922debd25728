"""A trace that a telephone platform has begun goes through a running service: kept with the incident, shown, and exported."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from ops.cli import main
from protocols.ingest.message import PROTOCOL
from storage.session import connect
from tests.end_to_end.service import SOURCE_TOKEN, Service
from tests.ops.collector import Collector, collecting, values_of

pytestmark = pytest.mark.end_to_end

TRACE_ID, PARENT_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GOOD = f"00-{TRACE_ID}-{PARENT_ID}-01"
BAD = ("", None, 5, ["00"], {"a": 1}, GOOD.upper(), "ff" + GOOD[2:], "\u0000", "x" * 20_000)
"""None of these is a fault of its event."""


def lines() -> list[dict[str, object]]:
    """What the platform sends: one call in its trace, and others whose traces cannot be read, each elsewhere."""
    hello: dict[str, object] = {"kind": "hello", "protocol": PROTOCOL, "token": SOURCE_TOKEN, "source": "exchange"}
    calls: list[dict[str, object]] = []
    for seq, traceparent in enumerate((GOOD, *BAD), 1):
        fix = {"latitude_deg": 43.0 + seq / 10, "longitude_deg": 76.9}
        call = {"kind": "call", "seq": seq, "at": "2026-05-09T10:00:00Z", "words": "пожар", "fix": fix}
        calls.append(call | {"traceparent": traceparent, "tracestate": "vendor=abc"})
    return [hello, *calls]


async def _push(port: int) -> list[dict[str, object]]:
    """Sends the lines as anybody would, with a socket; returns what the centre says."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines()))
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return [json.loads(line) for line in answer.splitlines()]


async def _run(folder: Path, dsn: str, collector: Collector) -> list[dict[str, object]]:
    settings = {"traces.endpoint": collector.url, "traces.share": "0"}
    with Service(folder, dsn, settings=settings) as service:
        process = service.start()
        await service.ready()
        said = await _push(service.tcp_address[1])
        assert await service.stop(process) == 0
    return said


async def _traces(dsn: str) -> list[tuple[int, str | None]]:
    """What each incident's log says of the trace that opened it."""
    connection = await connect(dsn, "test")
    try:
        rows = await connection.fetch(
            "SELECT incident_id, body #>> '{joined,trace,trace_id}' AS trace FROM incident_log"
            " WHERE fact = 'opened' ORDER BY incident_id"
        )
    finally:
        await connection.close()
    return [(row["incident_id"], row["trace"]) for row in rows]


def test_trace_goes_with_its_call_and_no_call_is_refused_for_one(
    tmp_path: Path, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with collecting() as collector:
        said = asyncio.run(_run(tmp_path, database, collector))
    assert [one["kind"] for one in said if one["kind"] == "error"] == []
    assert {"kind": "ack", "seq": 1 + len(BAD)} in said
    # Kept with the incident that it opened.
    assert asyncio.run(_traces(database)) == [(1, TRACE_ID), *((number, None) for number in range(2, 2 + len(BAD)))]
    # Shown to whoever has to answer for it.
    assert main(["certificate", "1", "--dsn", database, "--format", "json"]) == 0
    course = json.loads(capsys.readouterr().out)
    kept = {"trace_id": TRACE_ID, "parent_id": PARENT_ID, "flags": 1, "state": "vendor=abc"}
    assert course["tellings"][0]["joined"]["trace"] == kept
    assert main(["certificate", "1", "--dsn", database, "--format", "html", "--language", "en"]) == 0
    assert f"exchange/1: {TRACE_ID}" in capsys.readouterr().out
    # The log still replays into what is stored.
    assert main(["verify", "--dsn", database]) == 0
    # Exported, and nothing but what its sender records.
    own, *stages = collector.of(TRACE_ID)
    assert own.parent_span_id.hex() == PARENT_ID
    assert [span.name for span in stages] == ["received", "decided", "committed", "acknowledged", "published"]
    assert values_of(list(own.attributes))["jedel.incident"] == 1
    assert len(collector.spans) == 6
