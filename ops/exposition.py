"""The catalogue filled: what everybody has counted, as Prometheus' families, when somebody asks.

Place in the flow: beside it, in the threads of `ops.health_server`. Rules: numbers are read where they lie, lists and dicts in
copies, and nothing is walked that grows with incidents or crews; every family of `ops.metrics.CATALOGUE` is there from the
first scrape on, and no other but the client library's own on the process, its Python and its collector.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from math import inf
from time import time

from prometheus_client import GC_COLLECTOR, CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from core.facts import TAGS
from core.instant import SECOND_US
from core.tally import Buckets
from core.vocabulary import PRIORITY_HIGHEST, Mode, Stage
from ops import metrics as m
from ops.clock import CENTRE
from ops.health import Hindrance, State
from ops.instruments import Instruments, Parts, counted_by
from ops.measure import UNTIL, SourceTally
from ops.metrics import CATALOGUE, Family, Kind


class _Page:
    """The families being filled."""

    def __init__(self) -> None:
        self.families: dict[str, CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily] = {}
        for family in CATALOGUE:
            match family.kind:
                case Kind.COUNTER:
                    self.families[family.name] = CounterMetricFamily(family.name, family.help, labels=family.labels)
                case Kind.GAUGE:
                    self.families[family.name] = GaugeMetricFamily(family.name, family.help, labels=family.labels)
                case Kind.HISTOGRAM:
                    self.families[family.name] = HistogramMetricFamily(family.name, family.help, labels=family.labels)

    def put(self, family: Family, value: float, *labels: str) -> None:
        """A counter's or a gauge's value."""
        into = self.families[family.name]
        assert not isinstance(into, HistogramMetricFamily)
        into.add_metric(labels, value)

    def put_all(self, family: Family, values: Iterable[tuple[tuple[str, ...], float]]) -> None:
        """Values by labels."""
        for labels, value in values:
            self.put(family, value, *labels)

    def put_one_of(self, family: Family, words: Iterable[str], present: Iterable[str]) -> None:
        """1 for those words that hold, 0 for the others."""
        holding = set(present)
        for word in words:
            self.put(family, float(word in holding), word)

    def put_buckets(self, family: Family, buckets: Buckets, *labels: str) -> None:
        """A histogram."""
        into = self.families[family.name]
        assert isinstance(into, HistogramMetricFamily)
        counts, total = list(buckets.counts), buckets.total
        cumulated: list[tuple[str, float]] = []
        so_far = 0
        for bound, count in zip((*buckets.bounds, inf), counts, strict=True):
            so_far += count
            cumulated.append((repr(bound) if bound < inf else "+Inf", so_far))
        into.add_metric(labels, buckets=cumulated, sum_value=total)


class Exposition(Collector):
    """The families of a process, for a registry."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments

    def collect(self) -> Iterator[Metric]:
        """All families, filled with what stands there now."""
        page = _Page()
        past, parts = self._instruments.lives
        _put_process(page, self._instruments)
        _put_flow(page, self._instruments)
        _put_sources(page, self._instruments, parts)
        _put_happenings(page, self._instruments)
        _put_room(page, self._instruments)
        counted = past if parts is None else past + counted_by(parts)
        for (name, labels), value in counted.counts.items():
            family = page.families[name]
            assert not isinstance(family, HistogramMetricFamily)
            family.add_metric(labels, value)
        for stage, buckets in counted.times.items():
            page.put_buckets(m.STAGE_DURATION, buckets, stage.value)
        if parts is not None:
            _put_queues(page, self._instruments, parts)
        yield from page.families.values()


def _put_process(page: _Page, instruments: Instruments) -> None:
    health, pulse = instruments.health, instruments.pulse
    page.put(m.BUILD_INFO, 1.0, _version(), platform.python_version())
    page.put_one_of(m.STATE, (state.value for state in State), [health.state.value])
    ready = health.ready()
    page.put(m.READY, float(ready.ok))
    page.put_one_of(m.HINDRANCE, (one.value for one in Hindrance), [no.reason for no in ready.reasons])
    page.put(m.EPOCH, health.epoch)
    page.put_all(m.LIVES_ENDED, (((reason,), count) for reason, count in dict(instruments.lives_ended).items()))
    # What is put beside Prometheus' clock is told by the machine's, as near as it can be known.
    page.put(m.LAST_COMMIT, max(0, instruments.measure.last_commit_us - CENTRE.ahead_us) / SECOND_US)
    page.put(m.COMMIT_UNDER_WAY, health.commit_s)
    for loop, lags in pulse.lags.items():
        page.put_buckets(m.LOOP_LAG, lags, loop)
    now_s = time()
    page.put_all(m.LOOP_BEAT, (((loop,), now_s - age_s) for loop, age_s in pulse.age_s().items()))
    page.put(m.TIME_AHEAD, CENTRE.ahead_us / SECOND_US)
    for generation, pauses in enumerate(instruments.collections.pauses):
        page.put_buckets(m.GC_PAUSE, pauses, str(generation))


def _put_flow(page: _Page, instruments: Instruments) -> None:
    measure = instruments.measure
    page.put_all(m.STAGE_HANDLED, (((stage.value,), count) for stage, count in measure.handled().items()))
    page.put_all(m.STAGE_ERRORS, (((stage.value, reason), count) for (stage, reason), count in measure.failed().items()))
    failures = dict(instruments.health.failures)
    page.put_all(m.STAGE_ERRORS, (((Stage.PERSIST.value, reason), count) for reason, count in failures.items()))
    for stage, buckets in measure.durations.items():
        page.put_buckets(m.STAGE_DURATION, buckets, stage.value)
    for what, reasons in measure.decisions.items():
        page.put_all(m.DECISIONS, (((what, why.value), count) for why, count in dict(reasons).items()))
    page.put_all(m.FACTS, (((TAGS[fact],), count) for fact, count in dict(measure.facts).items()))
    page.put_all(m.COMMANDS, (((reason,), count) for reason, count in dict(measure.commands).items()))
    page.put_buckets(m.COMMIT_EVENTS, measure.commit_events)
    for urgency, taken in measure.acknowledged.buckets.items():
        page.put_buckets(m.ACKNOWLEDGEMENT, taken, urgency.value)


def _put_sources(page: _Page, instruments: Instruments, parts: Parts | None) -> None:
    measure = instruments.measure
    connected = set() if parts is None else set(parts.ingest.sources)
    named = dict(measure.sources)
    page.put(m.SOURCES, measure.sources_seen)
    for source, tally in named.items():
        _put_source(page, source, tally)
        page.put(m.SOURCE_CONNECTED, float(source in connected), source)
    if measure.others is not None:
        _put_source(page, m.OTHER, measure.others)
        page.put(m.SOURCE_CONNECTED, len(connected - named.keys()), m.OTHER)


def _put_source(page: _Page, source: str, tally: SourceTally) -> None:
    page.put(m.SOURCE_EVENTS, tally.events, source)
    page.put(m.SOURCE_REJECTED, tally.rejected, source)
    if tally.last_seen_us:
        ahead_us = CENTRE.ahead_us
        page.put(m.SOURCE_LAG, tally.lag_s - ahead_us / SECOND_US, source)
        page.put(m.SOURCE_LAST_SEEN, (tally.last_seen_us - ahead_us) / SECOND_US, source)


def _put_happenings(page: _Page, instruments: Instruments) -> None:
    measure = instruments.measure
    for state, priority, count in measure.open_incidents():
        page.put(m.OPEN_INCIDENTS, count, state.value, str(priority))
    for (step, priority), buckets in sorted(dict(measure.responses).items()):
        page.put_buckets(m.RESPONSE, buckets, UNTIL[step], str(priority))
    page.put_all(m.CREWS, (((state.value,), count) for state, count in dict(measure.crews).items()))
    page.put_all(m.TERMS_FIRED, (((term.value, step.value), count) for (term, step), count in dict(measure.terms).items()))
    page.put_buckets(m.TERM_LATENESS, measure.lateness)
    page.put_all(m.NOTICES, (((occasion,), count) for occasion, count in dict(measure.notices).items()))
    page.put_all(m.TELLINGS, (((template,), count) for template, count in dict(measure.tellings).items()))


def _put_room(page: _Page, instruments: Instruments) -> None:
    for folder, disk in instruments.room.disks.items():
        page.put(m.DISK_FREE, disk.free_bytes, folder.value)
        page.put(m.DISK_SIZE, disk.size_bytes, folder.value)
    space = instruments.room.space
    if space is not None:
        page.put(m.DATABASE_SIZE, space.database_bytes)
        if space.wal is not None:
            page.put(m.WAL_KEPT, space.wal.kept_bytes)
            if space.wal.oldest_us is not None:
                page.put(m.WAL_OLDEST, space.wal.oldest_us / SECOND_US)
    if instruments.certificate_until_us is not None:
        page.put(m.CERTIFICATE_EXPIRY, instruments.certificate_until_us / SECOND_US)


def _put_queues(page: _Page, instruments: Instruments, parts: Parts) -> None:
    page.put_one_of(m.MODE, (mode.value for mode in Mode), [parts.state.mode.value])
    page.put(m.RUNNING_TERMS, len(parts.state.running))
    now_s = CENTRE.now_us() / SECOND_US
    for priority, since_us in enumerate(list(instruments.measure.needs.oldest_us)[PRIORITY_HIGHEST:], PRIORITY_HIGHEST):
        page.put(m.WAITING_OLDEST, 0.0 if since_us is None else max(0.0, now_s - since_us / SECOND_US), str(priority))
    page.put(m.INLET_BYTES, parts.inlet.held_bytes)
    page.put(m.INLET_LIMIT, parts.limits.inlet_bytes)
    page.put(m.INLET_HELD, parts.ingest.held_by_inlet)
    page.put(m.COMMIT_WAITING, parts.centre.waiting + (instruments.health.commit_began_s is not None))
    # One is committed, and one that is decided waits for it.
    page.put(m.COMMIT_LIMIT, 2)
    page.put(m.CLIENT_BUFFER, parts.dispatch.fullest_buffer_bytes)
    page.put(m.CLIENT_BUFFER_LIMIT, parts.limits.client_buffer_bytes)
    page.put(m.OUTBOX_WAITING, parts.post.waiting)
    page.put(m.OUTBOX_OVERDUE, parts.post.overdue_s)
    page.put(m.INGEST_CONNECTIONS, parts.ingest.connections)
    page.put(m.INGEST_LIMIT, parts.limits.connections_max)
    page.put(m.INGEST_HALF_OPEN, parts.ingest.half_open)
    page.put(m.CLIENTS, parts.dispatch.clients)
    page.put(m.CLIENTS_LIMIT, parts.limits.clients_max)


def registry_of(instruments: Instruments) -> CollectorRegistry:
    """Everything that `/metrics` shows."""
    registry = CollectorRegistry()
    registry.register(Exposition(instruments))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    registry.register(GC_COLLECTOR)
    return registry


def render(registry: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """The exposition and its content type, in whichever of Prometheus' formats the Accept header asks for."""
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


def _version() -> str:
    try:
        return version("jedel")
    except PackageNotFoundError:
        return "unknown"
