"""Spans of a committed batch: one of each traced event, and below it one of each stage of its way (received to published).

Place in the flow: after publish, in the thread of `ops.traces`. Pure. Rules:
- Only events that belong to an incident have spans: those are what somebody waits for. A sensor's reading that means nothing, a
  plate, a position have none.
- An event with a trace of its own continues it, and its sender decides whether it is recorded (flag `sampled`). Any other
  begins one ("restart the trace"), whose id follows from what the event is: the same event has the same id whatever process
  makes its spans.
- The stages are the batch's, so the events of a batch share their times from `decided` on: that is how they are worked.
- Attributes are ids, kinds and states. Nothing that a caller said.
Source: W3C Trace Context; OpenTelemetry specification 1.x, Trace SDK (TraceIdRatioBased: the lower half of the id decides).
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from itertools import pairwise
from typing import Final

import msgspec

from core.decisions import Decisions
from core.events import KIND_OF, Rejected, Traced
from core.instant import Micros
from core.trace import TraceContext, read_trace

STAGES: Final = ("received", "decided", "committed", "acknowledged", "published")
"""The stages; each span ends when its stage is done, and begins where the one before ended."""
_HALF: Final = 2**64


class BatchTimes(msgspec.Struct, frozen=True):
    """When the stages of one batch were done."""

    decided_us: Micros
    committed_us: Micros
    acknowledged_us: Micros
    published_us: Micros


class Span(msgspec.Struct, frozen=True):
    """One span, as OpenTelemetry has it."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    """`""` where the trace begins here."""
    is_remote_parent: bool
    begin_us: Micros
    end_us: Micros
    state: str
    """The `tracestate` that is passed on."""
    attributes: dict[str, str | int | list[str]]


def spans_of(decisions: Decisions, times: BatchTimes, centre: str, share: float) -> Iterator[tuple[Span, ...]]:
    """The spans of each sampled event, its own first.

    Args:
        decisions: the batch.
        times: when its stages were done.
        centre: its name.
        share: of the events without a trace of their own, how many are recorded, 0 to 1.
    """
    crews: dict[int, list[str]] = {}
    for one in decisions.assignments:
        crews.setdefault(one.incident_id, []).append(f"{one.crew_id} {one.state.value}")
    for taken in decisions.taken:
        source = taken.chunk.source
        for index, incident_id in taken.incidents.items():
            event = taken.chunk.items[index]
            if isinstance(event, Rejected) or not isinstance(event, Traced):
                continue
            given = read_trace(event.traceparent, event.tracestate)
            trace = given or _restarted(f"{centre}/{source}/{event.seq}")
            if not (given.is_sampled if given is not None else int(trace.trace_id[16:], 16) < share * _HALF):
                continue
            kind = KIND_OF[type(event)].name.lower()
            about: dict[str, str | int | list[str]] = {
                "jedel.centre": centre,
                "jedel.source": source,
                "jedel.seq": event.seq,
                "jedel.kind": kind,
                "jedel.batch": decisions.batch_no,
                "jedel.incident": incident_id,
            }
            if incident_id in crews:
                about["jedel.assignments"] = crews[incident_id]
            yield _spans(
                trace, given is not None, f"{source}/{event.seq}", kind, about, _ends(taken.chunk.received_us, decisions, times)
            )


def _ends(received_us: Micros, decisions: Decisions, times: BatchTimes) -> list[int]:
    """The event's coming in, and the end of each stage; never back in time, whatever the clock did."""
    ends = [received_us, decisions.now_us, times.decided_us, times.committed_us, times.acknowledged_us, times.published_us]
    for at in range(1, len(ends)):
        ends[at] = Micros(max(ends[at], ends[at - 1]))
    return [int(end) for end in ends]


def _spans(
    trace: TraceContext, is_given: bool, label: str, kind: str, about: dict[str, str | int | list[str]], ends: list[int]
) -> tuple[Span, ...]:
    own_id = _id(f"{trace.trace_id}/{label}")
    parent_id = trace.parent_id if is_given else ""
    own = Span(kind, trace.trace_id, own_id, parent_id, is_given, Micros(ends[0]), Micros(ends[-1]), trace.state, about)
    stages = [
        Span(stage, trace.trace_id, _id(f"{own_id}/{stage}"), own_id, False, Micros(begin), Micros(end), trace.state, {})
        for stage, (begin, end) in zip(STAGES, pairwise(ends), strict=True)
    ]
    return own, *stages


def _restarted(label: str) -> TraceContext:
    """The trace that begins with an event."""
    digest = blake2b(label.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return TraceContext(digest, digest[:16])


def _id(label: str) -> str:
    return blake2b(label.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
