"""Exports spans to a collector by OTLP over HTTP, from a thread of its own, and only where that is configured.

Place in the flow: behind publish. Rules:
- The host loop only notes four instants a batch and hands the batch over; spans are made and sent in the thread. What there is
  no room for is dropped and counted: a collector that is slow or gone costs the centre nothing.
- At most `limits.TRACES_PER_S` events have spans in a second, for the thread shares the interpreter with the one that decides.
- OpenTelemetry is an extra (`pip install 'jedel[traces]'`), imported here and only when an endpoint is configured. Without it a
  configured endpoint is a `ConfigError`; traces of events are read and kept with incidents all the same.
Source: OpenTelemetry protocol (OTLP) 1.x, OTLP/HTTP with binary protobuf.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from importlib.util import find_spec
from queue import Empty, Full, Queue
from threading import Thread
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from core import limits
from core.decisions import Decisions
from core.instant import Micros
from ops.config import Config
from ops.layers import ConfigError
from ops.spans import BatchTimes, Span, spans_of

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter

EXPORT_TIMEOUT_S: Final = 5.0
"""Of one request with its repetitions."""
LINGER_S: Final = 0.5
"""How long a span waits for others to go with it."""
SPANS_AT_ONCE: Final = 512
COMPLAIN_S: Final = 60.0
"""Between two log lines about a collector that takes nothing."""

_log = structlog.get_logger("traces")


class Handed(msgspec.Struct, frozen=True):
    """A batch on its way into the thread."""

    decisions: Decisions
    times: BatchTimes


class TraceExport:
    """Watches the stages of every batch and exports the spans of what is sampled (`ops.stages.StageWatcher`).

    Args:
        exporter: where spans go.
        convert: a span as the exporter takes it.
        centre: its name, for attributes.
        share: of the events without a trace of their own.
        now_us: reads the clock, for the instants of the stages.
        time_s: reads a clock that never goes back, for what is bounded in time.
    """

    def __init__(
        self,
        exporter: SpanExporter,
        convert: Callable[[Span], ReadableSpan],
        centre: str,
        share: float,
        now_us: Callable[[], Micros],
        time_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.exported = 0
        """Spans that the collector has taken."""
        self.dropped = 0
        """Batches that found no room, and spans that the collector has not taken."""
        self._exporter = exporter
        self._convert = convert
        self._centre = centre
        self._share = share
        self._now_us = now_us
        self._time_s = time_s
        self._queue: Queue[Handed | None] = Queue(limits.TRACE_BATCHES_WAITING)
        self._decided_us = self._committed_us = self._acknowledged_us = Micros(0)
        self._complained_s = float("-inf")
        self._second: int | None = None
        self._left = limits.TRACES_PER_S
        self._thread = Thread(target=self._run, name="traces", daemon=True)
        self._thread.start()

    def decided(self, decisions: Decisions) -> None:
        """As `StageWatcher`: notes the instant."""
        self._decided_us = self._now_us()

    def committed(self, decisions: Decisions) -> None:
        """As `StageWatcher`: notes the instant."""
        self._committed_us = self._now_us()

    def acknowledged(self, decisions: Decisions) -> None:
        """As `StageWatcher`: notes the instant."""
        self._acknowledged_us = self._now_us()

    def published(self, decisions: Decisions) -> None:
        """As `StageWatcher`: hands the batch over, if an event of it belongs to an incident."""
        for taken in decisions.taken:
            if taken.incidents:
                break
        else:
            return
        times = BatchTimes(self._decided_us, self._committed_us, self._acknowledged_us, self._now_us())
        try:
            self._queue.put_nowait(Handed(decisions, times))
        except Full:
            self.dropped += 1

    def close(self, timeout_s: float = EXPORT_TIMEOUT_S) -> None:
        """Exports what waits, at most so long, and ends the thread."""
        try:
            self._queue.put(None, timeout=timeout_s)
        except Full:
            return  # it hangs in a request, and ends with the process
        self._thread.join(timeout_s)
        self._exporter.shutdown()

    def _run(self) -> None:
        while self._export(*self._gathered()):
            continue

    def _gathered(self) -> tuple[list[Span], bool]:
        """Spans that go together, and whether there will be more."""
        spans: list[Span] = []
        handed = self._queue.get()
        until_s = time.monotonic() + LINGER_S
        while handed is not None:
            spans += self._spans(handed)
            if len(spans) >= SPANS_AT_ONCE:
                return spans, True
            try:
                handed = self._queue.get(timeout=max(0.0, until_s - time.monotonic()))
            except Empty:
                return spans, True
        return spans, False

    def _spans(self, handed: Handed) -> Iterator[Span]:
        for spans in spans_of(handed.decisions, handed.times, self._centre, self._share):
            second = int(self._time_s())
            if second != self._second:
                self._second, self._left = second, limits.TRACES_PER_S
            if not self._left:
                self.dropped += len(spans)
                continue
            self._left -= 1
            yield from spans

    def _export(self, spans: list[Span], goes_on: bool) -> bool:
        from opentelemetry.sdk.trace.export import SpanExportResult

        if spans:
            try:
                taken = self._exporter.export([self._convert(span) for span in spans]) is SpanExportResult.SUCCESS
            except Exception:
                # Whatever is wrong with the exporter, it is no affair of the centre's.
                _log.exception("traces have failed")
                taken = False
            if taken:
                self.exported += len(spans)
            else:
                self.dropped += len(spans)
                self._complain()
        return goes_on

    def _complain(self) -> None:
        now_s = self._time_s()
        if now_s - self._complained_s >= COMPLAIN_S:
            self._complained_s = now_s
            _log.warning("traces not exported", dropped=self.dropped, consequence="spans are missing at the collector")


def is_installed() -> bool:
    """Whether the extra is there."""
    try:
        return all(find_spec(name) is not None for name in ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"))
    except ModuleNotFoundError:
        return False


def traces_of(config: Config, now_us: Callable[[], Micros], time_s: Callable[[], float] = time.monotonic) -> TraceExport | None:
    """The export that is configured, running, or None without an endpoint; the clocks are as `TraceExport` has them.

    Raises:
        ConfigError: an endpoint is configured and the extra is not installed.
    """
    endpoint = config.traces.endpoint
    if not endpoint:
        return None
    if not is_installed():
        raise ConfigError([f"traces.endpoint = {endpoint!r}: needs the extra: pip install 'jedel[traces]'"])
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    # Its own lines about every try would be those of a collector's absence, again and again; ours say it once a minute.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    exporter = OTLPSpanExporter(endpoint=endpoint, timeout=EXPORT_TIMEOUT_S)
    return TraceExport(exporter, _converter(config.centre.name), config.centre.name, config.traces.share, now_us, time_s)


def _converter(centre: str) -> Callable[[Span], ReadableSpan]:
    """Makes our spans OpenTelemetry's."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import SpanContext, SpanKind, TraceFlags, TraceState

    resource = Resource({"service.name": "jedel", "service.version": version("jedel"), "service.namespace": centre})
    scope = InstrumentationScope("jedel", version("jedel"))
    sampled = TraceFlags(TraceFlags.SAMPLED)

    def context(span: Span, span_id: str, *, is_remote: bool) -> SpanContext:
        state = TraceState.from_header([span.state]) if span.state else None
        return SpanContext(int(span.trace_id, 16), int(span_id, 16), is_remote, sampled, state)

    def convert(span: Span) -> ReadableSpan:
        return ReadableSpan(
            name=span.name,
            context=context(span, span.span_id, is_remote=False),
            parent=context(span, span.parent_id, is_remote=span.is_remote_parent) if span.parent_id else None,
            resource=resource,
            attributes=span.attributes,
            # The event's own span takes it over from whoever sent it; its stages are our own affair.
            kind=SpanKind.CONSUMER if span.attributes else SpanKind.INTERNAL,
            instrumentation_scope=scope,
            start_time=span.begin_us * 1000,
            end_time=span.end_us * 1000,
        )

    return convert
