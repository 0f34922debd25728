"""Spans reach a real collector, continue the traces that events bring, and cost nothing but themselves when it is gone."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Sent

from core import limits
from core.decisions import Decisions
from core.instant import Micros
from core.vocabulary import IncidentId
from ops.config import Centre, Config, Traces
from ops.layers import ConfigError
from ops.spans import STAGES, BatchTimes, spans_of
from ops.stages import StageWatcher
from ops.traces import TraceExport, is_installed, traces_of
from tests.adapters.sending import closed_port
from tests.ops.collector import Collector, collecting, values_of
from tests.storage import samples

TRACE_ID, PARENT_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = f"00-{TRACE_ID}-{PARENT_ID}-01"
NOT_SAMPLED = f"00-{TRACE_ID}-{PARENT_ID}-00"
TIMES = BatchTimes(*(Micros(samples.NOW + 1000 * ms) for ms in (2, 5, 6, 7)))


def call(seq: int, traceparent: str = "", tracestate: str = "") -> bytes:
    fields = {"kind": "call", "seq": seq, "at": "2024-05-01T10:00:00Z", "phone": "+77011234567", "words": "пожар"}
    return msgspec.json.encode(fields | {"traceparent": traceparent, "tracestate": tracestate})


def decisions(*raws: bytes, opened: bool = True, batch_no: int = 7) -> Decisions:
    """A batch of calls that came in a millisecond before it was decided; each opened an incident."""
    incidents = {index: IncidentId(index + 1) for index in range(len(raws))} if opened else {}
    taken = samples.taken(list(raws), "tel", incidents=incidents, received_us=Micros(samples.NOW - 1000))
    return samples.batch(batch_no, taken, assignments=[samples.assignment(4, 1)])


def export(collector: Collector, *batches: Decisions, share: float = 1.0) -> TraceExport:
    """Has these batches go their way, and ends the export."""
    clock = iter(range(samples.NOW + 1000, samples.NOW + 10**9, 1000))
    config = Config(centre=Centre(name="almaty"), traces=Traces(endpoint=collector.url, share=share))
    # Within one second.
    traces = traces_of(config, lambda: Micros(next(clock)), lambda: 100.5)
    assert traces is not None
    go_through(traces, *batches)
    traces.close()
    return traces


def go_through(watcher: StageWatcher, *batches: Decisions) -> None:
    for one in batches:
        for stage in (watcher.decided, watcher.committed, watcher.acknowledged, watcher.published):
            stage(one)


def shape(spans: list[Sent]) -> list[tuple[str, str]]:
    return [(span.name, span.parent_span_id.hex()) for span in spans]


def test_event_s_spans_continue_its_trace_at_the_collector() -> None:
    with collecting() as collector:
        traces = export(collector, decisions(call(1, SAMPLED, "vendor=abc, other=1")))
    own, *stages = collector.of(TRACE_ID)
    assert (own.name, own.parent_span_id.hex(), own.kind) == ("call", PARENT_ID, Sent.SPAN_KIND_CONSUMER)
    assert [span.name for span in stages] == list(STAGES)
    assert {span.parent_span_id for span in stages} == {own.span_id}
    assert len({span.span_id for span in [own, *stages]}) == 6
    assert {span.trace_state for span in [own, *stages]} == {"vendor=abc,other=1"}
    # The stages follow one another from the event's coming in to its being told.
    ends = [own.start_time_unix_nano, *(span.end_time_unix_nano for span in stages)]
    assert [span.start_time_unix_nano for span in stages] == ends[:-1]
    assert ends == sorted(ends)
    assert own.end_time_unix_nano == ends[-1]
    assert own.start_time_unix_nano == (samples.NOW - 1000) * 1000
    assert values_of(list(own.attributes)) == {
        "jedel.centre": "almaty",
        "jedel.source": "tel",
        "jedel.seq": 1,
        "jedel.kind": "call",
        "jedel.batch": 7,
        "jedel.incident": 1,
        "jedel.assignments": ["A-1 offered"],
    }
    (resource,) = collector.resources
    assert (resource["service.name"], resource["service.namespace"]) == ("jedel", "almaty")
    assert collector.scopes == ["jedel"]
    assert (traces.exported, traces.dropped) == (6, 0)


def test_nothing_that_a_caller_said_leaves_the_centre() -> None:
    with collecting() as collector:
        export(collector, decisions(call(1, SAMPLED)))
    sent = b"".join(span.SerializeToString() for span in collector.spans)
    assert "пожар".encode() not in sent
    assert b"7011234567" not in sent


def test_sender_decides_and_what_has_no_trace_begins_one_by_its_share() -> None:
    batch = decisions(call(1, NOT_SAMPLED), call(2), call(3, "ff-" + SAMPLED[3:], "vendor=abc"), call(4, "nonsense"))
    with collecting() as collector:
        export(collector, batch)
    roots = [span for span in collector.spans if span.name == "call"]
    assert [values_of(list(span.attributes))["jedel.seq"] for span in roots] == [2, 3, 4]
    # A trace that cannot be read is restarted: another id, no parent, no state (W3C Trace Context, 3.3).
    assert TRACE_ID not in {span.trace_id.hex() for span in roots}
    assert {(span.parent_span_id, span.trace_state) for span in roots} == {(b"", "")}
    assert len({span.trace_id for span in roots}) == 3
    with collecting() as collector:
        export(collector, batch, share=0.0)
    assert collector.spans == []


def test_share_is_that_of_the_traces_and_the_same_event_has_the_same_trace() -> None:
    batch = decisions(*(call(seq) for seq in range(1, 2001)))
    some = [spans[0] for spans in spans_of(batch, TIMES, "almaty", 0.25)]
    assert 400 < len(some) < 600
    again = [spans[0] for spans in spans_of(batch, TIMES, "almaty", 0.5)]
    assert {span.trace_id for span in some} < {span.trace_id for span in again}
    assert {span.trace_id for span in some}.isdisjoint({spans[0].trace_id for spans in spans_of(batch, TIMES, "astana", 1.0)})


def test_clock_that_went_back_makes_no_span_that_ends_before_it_began() -> None:
    back = BatchTimes(*(Micros(samples.NOW + 1000 * ms) for ms in (2, -5, 6, -7)))
    (spans,) = spans_of(decisions(call(1, SAMPLED)), back, "almaty", 1.0)
    assert all(span.begin_us <= span.end_us for span in spans)


def test_events_without_an_incident_have_no_spans_and_their_batches_are_not_handed_over() -> None:
    with collecting() as collector:
        traces = export(collector, decisions(call(1, SAMPLED), opened=False))
    assert (collector.requests, traces.exported, traces.dropped) == (0, 0, 0)


def test_spans_in_a_second_are_bounded() -> None:
    count = limits.TRACES_PER_S * 3
    with collecting() as collector:
        traces = export(collector, decisions(*(call(seq, SAMPLED) for seq in range(1, count + 1))))
    assert (traces.exported, traces.dropped) == (6 * limits.TRACES_PER_S, 12 * limits.TRACES_PER_S)
    assert len(collector.spans) == traces.exported


def test_collector_that_refuses_or_is_gone_costs_spans_and_nothing_else() -> None:
    with collecting() as collector:
        collector.status = 400
        traces = export(collector, decisions(call(1, SAMPLED)))
        assert (traces.exported, traces.dropped) == (0, 6)
        collector.url = f"http://127.0.0.1:{closed_port()}/v1/traces"
        traces = export(collector, decisions(call(1, SAMPLED)))
        assert (traces.exported, traces.dropped) == (0, 6)


def test_batches_that_find_no_room_are_dropped_and_counted() -> None:
    with collecting() as collector:
        traces = traces_of(Config(traces=Traces(endpoint=collector.url)), lambda: samples.NOW)
        assert traces is not None
        traces.close()
        # The thread has ended and takes nothing any more.
        go_through(traces, *(decisions(call(1, SAMPLED)) for _ in range(limits.TRACE_BATCHES_WAITING + 3)))
        assert traces.dropped == 3


def test_no_endpoint_is_no_export() -> None:
    assert traces_of(Config(), lambda: samples.NOW) is None


WITHOUT_EXTRA = """\
import sys
sys.modules["opentelemetry.sdk"] = None   # as if it were not installed
from ops.cli import main
sys.exit(main(["serve", "--data-dir", sys.argv[1], "--set", "traces.endpoint=http://127.0.0.1:4318/v1/traces"]))
"""


def test_endpoint_without_the_extra_is_a_readable_error(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = str(tmp_path_factory.mktemp("data"))
    done = subprocess.run([sys.executable, "-c", WITHOUT_EXTRA, folder], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "traces.endpoint = 'http://127.0.0.1:4318/v1/traces': needs the extra: pip install 'jedel[traces]'" in done.stderr


def test_extra_is_found_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_installed()
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk", None)
    assert not is_installed()
    with pytest.raises(ConfigError, match="needs the extra"):
        traces_of(Config(traces=Traces(endpoint="http://127.0.0.1:4318/v1/traces")), lambda: samples.NOW)
