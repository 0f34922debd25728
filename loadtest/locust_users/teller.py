"""What a source has to say and when, by schedule and never by what was answered (an open loop).

Place in the flow: before it. `Teller` turns the simulated city's traffic, which is spread evenly over a timeline of its own,
into events that are due at instants of the run. `StreamTeller` does the same for devices that say ten thousand things a second:
it makes a stock of events by the same traffic and tells them again and again, because making each anew costs several times
what sending it does. Rules: the caller owns the time; a caller that comes late gets what was due meanwhile, each with its own
instant, so a stall is seen in the latencies.

A call's `call_id` ends in `@` and the instant at which it was due, in microseconds: a dispatch client in any process reads
there how long the call has been on its way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle
from math import inf
from random import Random
from typing import Final, NamedTuple

import msgspec

from core.events import AnyEvent, Call, CallUpdate
from core.instant import SECOND_US, to_micros
from loadtest.city import City
from loadtest.happening import Rates
from loadtest.locust_users.plan import Timeline
from loadtest.traffic import Traffic

STEP_US: Final = 50_000
"""Stretch within which the timeline is taken for straight."""
CALLS_REMEMBERED: Final = 20_000
"""Calls whose new `call_id` is known to their updates, which follow within seconds."""
STOCK_EVENTS: Final = 5_000
"""Events that a stream tells again and again."""
_MARK: Final = "@"


class Due(NamedTuple):
    """An event, whose number and time are not given yet, and the instant at which it is to be sent."""

    due_us: int
    event: AnyEvent


class Pace:
    """A timeline walked in steps: what has passed on it, and which instant of the run an instant of it is.

    Args:
        timeline: how often things happen over the run.
        start_us: when the run begins.
    """

    def __init__(self, timeline: Timeline, start_us: int) -> None:
        self._timeline = timeline
        self._start_us = start_us
        self._end_us = start_us + round(timeline.seconds * SECOND_US)
        self._now_us = start_us
        self.passed_us = 0.0
        """How far the timeline has gone."""

    def steps(self, now_us: int) -> Iterator[Callable[[float], int]]:
        """Walks up to an instant or to the run's end; after each step gives what turns the timeline's instants into its own."""
        end_us = min(now_us, self._end_us)
        while self._now_us < end_us:
            begun_us, passed_us = self._now_us, self.passed_us
            step_us = min(STEP_US, end_us - begun_us)
            self._now_us += step_us
            self.passed_us = self._timeline.passed_s((self._now_us - self._start_us) / SECOND_US) * SECOND_US
            slope = step_us / (self.passed_us - passed_us) if self.passed_us > passed_us else 0.0
            yield partial(_instant, begun_us, passed_us, slope, step_us)


def _instant(begun_us: int, passed_us: float, slope: float, step_us: int, at_us: float) -> int:
    return begun_us + min(max(round((at_us - passed_us) * slope), 0), step_us)


class Teller:
    """See the module's rules.

    Args:
        city: where it happens.
        rates: how often, where the timeline's multiplier is 1.
        timeline: how that changes over the run.
        seed: of what happens; two sources of a run have different ones.
        start_us: when the run begins.
    """

    def __init__(self, city: City, rates: Rates, timeline: Timeline, seed: int, start_us: int) -> None:
        self._traffic = Traffic(city, rates, seed, start_us)
        self._start_us = start_us
        self._pace = Pace(timeline, start_us)
        self._calls: dict[str, str] = {}

    def until(self, now_us: int) -> list[Due]:
        """What is due up to `now_us`, or to the run's end where that is earlier, and was not given before; oldest first."""
        due: list[Due] = []
        for instant in self._pace.steps(now_us):
            for sent in self._traffic.events_until(self._start_us + int(self._pace.passed_us)):
                due_us = instant(to_micros(sent.event.at) - self._start_us)
                event = self._marked(sent.event, due_us)
                if event is not None:
                    due.append(Due(due_us, event))
        return due

    def _marked(self, event: AnyEvent, due_us: int) -> AnyEvent | None:
        if isinstance(event, Call):
            marked = f"{event.call_id}{_MARK}{due_us}"
            self._calls[event.call_id] = marked
            if len(self._calls) > CALLS_REMEMBERED:
                del self._calls[next(iter(self._calls))]
            return msgspec.structs.replace(event, call_id=marked)
        if isinstance(event, CallUpdate):
            known = self._calls.get(event.call_id)
            return None if known is None else msgspec.structs.replace(event, call_id=known)
        return event


class StreamTeller:
    """See the module's rules; the arguments are `Teller`'s. Only one of the rates is not 0."""

    def __init__(self, city: City, rates: Rates, timeline: Timeline, seed: int, start_us: int) -> None:
        self._rate_us = sum(msgspec.structs.astuple(rates)) / SECOND_US
        self._pace = Pace(timeline, start_us)
        self._gap = Random(f"stream/{seed}").expovariate
        self._next_us = self._gap(self._rate_us) if self._rate_us else inf
        self._stock = cycle(
            [sent.event for sent in Traffic(city, rates, seed, start_us).events_until(self._stocked_us(start_us))]
        )

    def until(self, now_us: int) -> list[Due]:
        """As `Teller.until`."""
        due: list[Due] = []
        for instant in self._pace.steps(now_us):
            passed_us = self._pace.passed_us
            while self._next_us <= passed_us:
                due.append(Due(instant(self._next_us), next(self._stock)))
                self._next_us += self._gap(self._rate_us)
        return due

    def _stocked_us(self, start_us: int) -> int:
        return start_us + round(STOCK_EVENTS / self._rate_us) if self._rate_us else start_us


def due_of(call: str) -> int | None:
    """When the call was due, out of its `call_id` or what is known as `SOURCE/CALL_ID`; None where it was not made here."""
    _, found, digits = call.rpartition(_MARK)
    return int(digits) if found and digits.isascii() and digits.isdigit() else None
