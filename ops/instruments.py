"""Everything a process is watched by, over all its lives: counts, health, the loops' pulse; and the parts of the present life.

Place in the flow: beside it. Made once by `ops.serve`; each life hands in its parts and takes them out again, and what they had
counted is kept, so that no counter ever goes back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from core.centre import Centre
from core.decisions import Decisions
from core.events import KIND_OF, Rejected
from core.inlet import Inlet
from core.instant import Micros
from core.recovered import Recovered
from core.state import CentreState
from core.tally import DURATIONS_S, Buckets
from core.vocabulary import EventKind, Stage
from ops import metrics
from ops.callers import CallerLookup
from ops.config import Limits
from ops.health import LIFE_ENDS, Health
from ops.measure import Measure
from ops.needs import waiting_in
from ops.post import Post
from ops.pulse import Collections, Pulse
from ops.room import Room
from protocols.dispatch.listener import DispatchHub
from protocols.ingest.hub import IngestHub

_GOODBYE: Final = "goodbye_"


class Parts(msgspec.Struct, frozen=True):
    """The parts of a life that count, or that something waits in."""

    limits: Limits
    state: CentreState
    centre: Centre
    inlet: Inlet
    ingest: IngestHub
    dispatch: DispatchHub
    callers: CallerLookup
    post: Post


class Counted(msgspec.Struct, frozen=True):
    """What the parts of lives have counted by themselves."""

    counts: Counter[tuple[str, tuple[str, ...]]]
    """(family, values of its labels) → how many."""
    times: dict[Stage, Buckets]

    def __add__(self, other: Counted) -> Counted:
        counts = self.counts.copy()
        counts.update(other.counts)
        return Counted(counts, {stage: self.times[stage] + times for stage, times in other.times.items()})


def counted_by_nobody() -> Counted:
    """What has been counted before the first life: that which has no reason, as zeros, so that it is there from then on."""
    families = (
        metrics.CLIENT_MESSAGES,
        metrics.CLIENT_BYTES,
        metrics.CLIENT_ENCODINGS,
        metrics.CONFLATED,
        metrics.UNREACHED,
    )
    counts: Counter[tuple[str, tuple[str, ...]]] = Counter({(family.name, ()): 0 for family in families})
    counts.update({(metrics.EVENTS.name, (kind.name.lower(),)): 0 for kind in EventKind})
    return Counted(
        counts,
        {stage: Buckets(DURATIONS_S) for stage in (Stage.DECODE, Stage.IDENTIFY)},
    )


def counted_by(parts: Parts) -> Counted:
    """What the parts of a life have counted until now. Called from any thread."""
    counts: Counter[tuple[str, tuple[str, ...]]] = Counter()
    for name, count in dict(parts.ingest.counters).items():
        if name.startswith(_GOODBYE):
            counts[metrics.INGEST_GOODBYES.name, (name.removeprefix(_GOODBYE),)] = count
    for kind, count in dict(parts.ingest.kinds).items():
        if kind in KIND_OF:
            counts[metrics.EVENTS.name, (KIND_OF[kind].name.lower(),)] = count
    for reason, count in dict(parts.dispatch.goodbyes).items():
        counts[metrics.CLIENT_GOODBYES.name, (reason.value,)] = count
    counts[metrics.CLIENT_MESSAGES.name, ()] = parts.dispatch.delivered_messages
    counts[metrics.CLIENT_BYTES.name, ()] = parts.dispatch.delivered_bytes
    counts[metrics.CLIENT_ENCODINGS.name, ()] = parts.dispatch.publisher.encodings
    counts[metrics.CONFLATED.name, ()] = parts.dispatch.publisher.conflated
    counts[metrics.STAGE_ERRORS.name, (Stage.IDENTIFY.value, "unreachable")] = parts.callers.failures
    counts[metrics.UNREACHED.name, ()] = parts.post.unreached
    for (channel, outcome), count in dict(parts.post.outcomes).items():
        counts[metrics.DELIVERIES.name, (channel, outcome)] = count
    return Counted(counts, {Stage.DECODE: parts.ingest.decoding, Stage.IDENTIFY: parts.callers.asking})


class Instruments:
    """All of a process's.

    Args:
        named: sources that have series of their own before all others.
    """

    def __init__(self, named: Iterable[str] = ()) -> None:
        self.measure = Measure(named)
        self.pulse = Pulse()
        self.collections = Collections()
        self.health = Health(self.pulse)
        self.room = Room()
        self.certificate_until_us: Micros | None = None
        """When the listeners' certificate expires; None without TLS."""
        self.lives_ended: Counter[str] = Counter(dict.fromkeys(LIFE_ENDS, 0))
        self.lives: tuple[Counted, Parts | None] = (counted_by_nobody(), None)
        """What dead lives have counted, and the parts of the living one; replaced together, so that nothing is seen twice."""
        self.address: Callable[[], tuple[str, int] | None] = _nowhere
        """Where all of this is told."""

    def begins(self, parts: Parts, recovered: Recovered) -> None:
        """A life has recovered and begins to work."""
        self.measure.recovered(recovered, waiting_in(parts.state))
        self.health.inlet = parts.inlet
        self.lives = (self.lives[0], parts)

    def ends(self) -> None:
        """The life that began last is over; nothing of it is kept but its counts."""
        past, parts = self.lives
        if parts is not None:
            self.lives = (past + counted_by(parts), None)
        self.health.inlet = None

    def ended(self, reason: str, text: str) -> None:
        """A life ended otherwise than by an order."""
        self.lives_ended[reason] += 1
        self.health.ended(reason, text)

    def committed(
        self, decisions: Decisions, refused: dict[str, list[Rejected]], now_us: int, took_s: tuple[float, float]
    ) -> None:
        """A batch is committed, and its sources and clients are told, which took so many seconds each."""
        for stage, seconds in zip((Stage.ACKNOWLEDGE, Stage.PUBLISH), took_s, strict=True):
            self.measure.durations[stage].observe(seconds)
        self.measure.committed(decisions, refused, now_us)


def _nowhere() -> None:
    return None
