"""What a source has to say and when, by schedule and never by what was answered (an open loop).

Place in the flow: before it. `Teller` turns the simulated city's traffic, which is spread evenly over a timeline of its own,
into events that are due at instants of the run; each event's `at` is the instant at which it is due. Rules: the caller owns the
time; a caller that comes late gets what was due meanwhile, each with its own instant, so a stall is seen in the latencies.

A call's `call_id` ends in `@` and the instant at which it was due, in microseconds: a dispatch client in any process reads
there how long the call has been on its way.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from core.events import AnyEvent, Call, CallUpdate
from core.instant import SECOND_US, to_datetime, to_micros
from loadtest.city import City
from loadtest.happening import Rates
from loadtest.locust_users.plan import Timeline
from loadtest.traffic import Traffic

STEP_US: Final = 50_000
"""Stretch within which the timeline is taken for straight."""
CALLS_REMEMBERED: Final = 20_000
"""Calls whose new `call_id` is known to their updates, which follow within seconds."""
_MARK: Final = "@"


class Due(NamedTuple):
    """An event and the instant at which it is to be sent."""

    due_us: int
    event: AnyEvent


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
        self._timeline = timeline
        self._start_us = start_us
        self._now_us = start_us
        self._passed_us = 0.0
        self._calls: dict[str, str] = {}

    def until(self, now_us: int) -> list[Due]:
        """What is due up to `now_us`, or to the run's end where that is earlier, and was not given before; oldest first."""
        due: list[Due] = []
        end_us = min(now_us, self._start_us + round(self._timeline.seconds * SECOND_US))
        while self._now_us < end_us:
            step_us = min(STEP_US, end_us - self._now_us)
            due += self._step(step_us)
        return due

    def _step(self, step_us: int) -> Iterator[Due]:
        begun_us, passed_us = self._now_us, self._passed_us
        self._now_us += step_us
        self._passed_us = self._timeline.passed_s((self._now_us - self._start_us) / SECOND_US) * SECOND_US
        gained_us = self._passed_us - passed_us
        for sent in self._traffic.events_until(self._start_us + int(self._passed_us)):
            happened_us = to_micros(sent.event.at) - self._start_us
            share = min(max((happened_us - passed_us) / gained_us, 0.0), 1.0) if gained_us else 0.0
            due_us = begun_us + round(share * step_us)
            event = self._dated(sent.event, due_us)
            if event is not None:
                yield Due(due_us, event)

    def _dated(self, event: AnyEvent, due_us: int) -> AnyEvent | None:
        at = to_datetime(due_us)
        if isinstance(event, Call):
            marked = f"{event.call_id}{_MARK}{due_us}"
            self._calls[event.call_id] = marked
            if len(self._calls) > CALLS_REMEMBERED:
                del self._calls[next(iter(self._calls))]
            return msgspec.structs.replace(event, at=at, call_id=marked)
        if isinstance(event, CallUpdate):
            known = self._calls.get(event.call_id)
            return None if known is None else msgspec.structs.replace(event, at=at, call_id=known)
        return msgspec.structs.replace(event, at=at)


def due_of(call: str) -> int | None:
    """When the call was due, out of its `call_id` or what is known as `SOURCE/CALL_ID`; None where it was not made here."""
    _, found, digits = call.rpartition(_MARK)
    return int(digits) if found and digits.isascii() and digits.isdigit() else None
