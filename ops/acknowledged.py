"""How long events have waited for their acknowledgement, by how urgent they are: what the objective of calls is measured by.

Place in the flow: a part of `ops.measure`, after acknowledge. Rules:
- Calls are counted by themselves, so that no number of others hides that they were late.
- An event counts by its own kind and not by its chunk's: a panel's alarm among a thousand readings makes one urgent event.
- Once a chunk, never an event; a chunk without anything urgent is not looked into.
"""

from __future__ import annotations

from core.decisions import Taken
from core.events import Alarm, Call, CallUpdate, CrewStatus
from core.tally import DURATIONS_S, Buckets
from core.vocabulary import Word


class Urgency(Word):
    """Which events an acknowledgement was for, as `ops.metrics.ACKNOWLEDGEMENT` is labelled. All but the last are
    `core.events.URGENT`."""

    CALL = "call"
    """A call, or what its operator has added to it."""
    URGENT = "urgent"
    """An alarm, or what a crew says of itself."""
    OTHER = "other"
    """All others, and whatever could not be read."""


class Acknowledged:
    """Seconds from events' reads to their acknowledgements."""

    def __init__(self) -> None:
        self.buckets: dict[Urgency, Buckets] = {urgency: Buckets(DURATIONS_S) for urgency in Urgency}

    def count(self, taken: Taken, seconds: float) -> None:
        """Counts the new events of a chunk, which was acknowledged so many seconds after it was read."""
        items = taken.chunk.items
        calls = urgent = 0
        if taken.chunk.urgent:
            kinds = list(map(type, items[taken.skip :] if taken.skip else items))
            calls = kinds.count(Call) + kinds.count(CallUpdate)
            urgent = kinds.count(Alarm) + kinds.count(CrewStatus)
        others = len(items) - taken.skip - calls - urgent
        for urgency, events in ((Urgency.CALL, calls), (Urgency.URGENT, urgent), (Urgency.OTHER, others)):
            if events:
                self.buckets[urgency].observe(seconds, events)
