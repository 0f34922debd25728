"""Which part of the flow a stack of the service belongs to, and what can be said of each part.

A stack belongs to its innermost frame that names a part: libraries, and geometry that several parts share, count to who called
them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import msgspec


class Area(msgspec.Struct, frozen=True):
    """One part of the flow."""

    name: str
    work: str
    bound: str
    """What of it cannot be avoided, and what is left."""


DECODE: Final = Area(
    "decode",
    "a socket's bytes cut into frames, JSON into checked events, the source's window kept",
    "one pass over the bytes into structs stays; the bookkeeping is a chunk's, so it falls with longer chunks",
)
IDENTIFY: Final = Area(
    "identify",
    "the number read, and its subscriber asked for, many in one question",
    "a question for who has not called lately stays; numbers and subscribers are remembered",
)
LOCATE: Final = Area(
    "locate",
    "evidence weighed, a caller's words found on the map, the territory",
    "most is reading words; a second process that reads them ahead of the batch could take it",
)
INCIDENT: Final = Area(
    "correlate",
    "category, open or join, each fact applied, encoded for the log, its terms begun",
    "two to five facts a call, each applied and encoded once: what recovery and `jedel verify` rest on",
)
CREWS: Final = Area(
    "crews",
    "reports and positions: believed or not, how old, arrived or not",
    "a look at each position stays, and the index moves in arrays",
)
ASSIGN: Final = Area(
    "assign",
    "the nearest eligible crews, contention solved, roads of the most urgent, why not the nearer ones",
    "one look in a k-d tree a capability and batch; the rest is the explanation and arrays' fixed costs, shared by a batch",
)
VIEWS: Final = Area(
    "views",
    "each changed incident, assignment and crew encoded as it is stored and published",
    "once each, by msgspec",
)
PERSIST: Final = Area(
    "persist",
    "rows packed in PostgreSQL's binary format, on the writer's thread, and the answer awaited",
    "a copy of each value stays; it shares the interpreter's lock with the deciding",
)
PUBLISH: Final = Area(
    "publish",
    "who is to be told, messages joined once for all who watch the same, sends",
    "a send call a client and message stays; how many updates share a message is what can be had",
)
WATCH: Final = Area(
    "watch",
    "metrics, acknowledgement times, tellings and contexts begun",
    "counted a batch, not an event, where that can be",
)
TURNS: Final = Area(
    "turns",
    "both loops, hand-overs between them and the writer's thread, the batch itself",
    "fixed costs a batch and a read of a socket; longer batches share them, and make everybody wait",
)
AREAS: Final = (DECODE, IDENTIFY, LOCATE, INCIDENT, CREWS, ASSIGN, VIEWS, PERSIST, PUBLISH, WATCH, TURNS)

_BY_FUNCTION: Final[dict[tuple[str, str], Area]] = {
    ("core/state.py", "CentreState.incident_changes"): VIEWS,
    ("core/state.py", "CentreState.assignment_changes"): VIEWS,
    ("core/state.py", "CentreState.crew_changes"): VIEWS,
    ("core/engine.py", "Engine._decisions"): VIEWS,
    ("core/centre.py", "phones_of"): IDENTIFY,
}
_FILES: Final[dict[Area, tuple[str, ...]]] = {
    DECODE: ("protocols/ingest/",),
    IDENTIFY: ("core/identify.py", "core/phone.py", "ops/callers.py", "storage/subscribers.py"),
    ASSIGN: (
        *("core/assign.py", "core/arrival.py", "core/relief.py", "core/way.py", "core/progress.py", "core/waiting.py"),
        *("routing/crew_index.py", "routing/candidates.py", "routing/moving_points.py", "routing/neighbours.py"),
        *("routing/assignment.py", "routing/road_", "routing/eligibility.py", "core/allowance.py"),
    ),
    CREWS: (
        *(
            "core/crew_reports.py",
            "core/plausible.py",
            "core/signal.py",
            "core/approach.py",
            "core/geofence.py",
            "core/crew.py",
        ),
        "core/crew_tellings.py",
    ),
    INCIDENT: (
        *("core/intake.py", "core/correlate.py", "core/category.py", "core/incident", "core/facts.py", "core/state.py"),
        *("core/escalation.py", "core/terms.py", "core/scenario.py", "core/informing.py", "core/telling.py", "core/watch.py"),
    ),
    WATCH: ("storage/past.py", "storage/context.py", "ops/"),
    PERSIST: ("storage/",),
    PUBLISH: ("protocols/dispatch/",),
    LOCATE: ("core/locate.py", "routing/"),
    TURNS: ("core/engine.py", "core/centre.py", "core/bridge.py", "core/inlet.py", "core/quarantine.py"),
}
"""Beginnings of files, tried in this order."""
_SHARED: Final = ("routing/geodesy.py", "core/great_circle.py", "core/instant.py", "ops/life.py", "ops/clock.py")
"""Called by several parts, or around them."""
_FRAME: Final = re.compile(r"(?P<function>.+) \((?P<file>[^()]+?)(?::\d+)?\)")


def area_of(frames: Sequence[str]) -> Area:
    """The part that a stack is at work for.

    Args:
        frames: as py-spy writes them, `function (file:line)`, the innermost last.
    """
    for frame in reversed(frames):
        found = _FRAME.fullmatch(frame)
        if found is None or found["file"].startswith(_SHARED):
            continue
        function = found["function"].partition(".<locals>")[0]
        area = _BY_FUNCTION.get((found["file"], function))
        if area is not None:
            return area
        for area, beginnings in _FILES.items():
            if found["file"].startswith(beginnings):
                return area
    return TURNS
