"""The lines of a batch hold every id that a call is followed by, stay short, and are not made where nobody reads them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator

import msgspec
import pytest

from core.decisions import Decisions
from core.events import Rejected
from core.instant import Micros
from core.vocabulary import IncidentId, RejectCode
from ops import logs
from ops.stages import LISTED_MAX, StageLog
from tests.ops.test_logs import kept_logging
from tests.storage import samples


@pytest.fixture
def written() -> Iterator[Callable[[], list[dict[str, object]]]]:
    stream = io.StringIO()
    with kept_logging():
        logs.configure("json", "debug", stream)
        yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def stage_log() -> StageLog:
    found = StageLog.where_wanted(list, lambda: Micros(samples.NOW + 1500))
    assert found is not None
    return found


def decisions(count: int = 1) -> Decisions:
    """A batch of so many calls of one source, each of which opened an incident; the last event was refused."""
    raws = [samples.call(seq) for seq in range(1, count + 2)]
    refused = {count: Rejected(count + 1, RejectCode.INVALID_FIELD, "$.fix", "what +77011234567 said")}
    incidents = {index: IncidentId(index + 1) for index in range(count)}
    taken = samples.taken(raws, "tel", incidents=incidents, rejected=refused)
    return msgspec.structs.replace(
        samples.batch(7),
        now_us=samples.NOW,
        taken=[taken],
        high_water={"tel": count + 1},
        log=[samples.log(index + 1) for index in range(count)],
        incidents=[samples.incident(index + 1) for index in range(count)],
        assignments=[samples.assignment(1, 1)],
    )


def test_ids_of_every_stage_stand_in_the_lines(written: Callable[[], list[dict[str, object]]]) -> None:
    log = stage_log()
    for stage in (log.decided, log.committed, log.acknowledged, log.published):
        stage(decisions())
    lines = [{key: value for key, value in line.items() if key not in ("timestamp", "level")} for line in written()]
    assert lines == [
        {"batch": 7, "taken": ["tel/1 to 2"], "event": "decided"},
        {"batch": 7, "events": ["tel/1 incident 1"], "event": "decided"},
        {"batch": 7, "refused": ["tel/2 invalid_field $.fix"], "event": "decided"},
        {"batch": 7, "facts": ["incident 1 v1 opened event:tel/1"], "event": "decided"},
        {"batch": 7, "assignments": ["incident 1 assignment 1 crew A-1 offered"], "event": "decided"},
        {"batch": 7, "since_decided_ms": 1.5, "incidents": 1, "event": "committed"},
        {"batch": 7, "up_to": ["tel/2"], "event": "acknowledged"},
        {"batch": 7, "incidents": ["incident 1 v1 assigned"], "clients": [], "behind": 0, "event": "published"},
    ]


def test_large_batch_is_cut_into_lines(written: Callable[[], list[dict[str, object]]]) -> None:
    count = 2 * LISTED_MAX + 1
    stage_log().decided(decisions(count))
    events = [line["events"] for line in written() if "events" in line]
    assert [len(listed) for listed in events if isinstance(listed, list)] == [LISTED_MAX, LISTED_MAX, 1]
    assert len(written()) < 10


def test_nothing_is_made_where_nobody_reads_it() -> None:
    with kept_logging():
        logs.configure("json", "info", io.StringIO())
        assert StageLog.where_wanted(list, lambda: samples.NOW) is None
