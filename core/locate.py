"""Locate: from everything that hints at a place to the one place crews are sent to, with the reason (OCC-1).

Evidence is kept all. The best is the most trusted kind whose accuracy is good enough to send a crew to; where none is good
enough, the most accurate one. Trust follows `LocationSource`: a device's own fix, coordinates given by the source, the
registered place of the camera or panel, an address in words, the subscriber's registered address, the cell sector. Of two
pieces of one kind the newer wins.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Final

from core.events import Alarm, Call, CallUpdate, Fix, SensorReading, VideoEvent
from core.facts import Evidence
from core.identify import Caller
from core.ports import Gazetteer
from core.recovered import Device
from core.vocabulary import LocationSource

USABLE_ACCURACY_M: Final = 300.0
"""A crew sent to a circle of this radius finds the place by asking and looking."""
REGISTERED_ACCURACY_M: Final = 50.0
"""A registered address names the house, not where in it or beside it the person is."""
WORDS_SCORE_MIN: Final = 90.0
"""Free words may name a place by accident; only a close reading counts."""
TRUST: Final[dict[LocationSource, int]] = {source: rank for rank, source in enumerate(LocationSource)}
"""Rank by the order of the enumeration, 0 the most trusted."""


class PlaceReason(Enum):
    """Why this evidence is the best."""

    MOST_TRUSTED = "most_trusted"
    MOST_ACCURATE = "most_accurate"
    """No evidence is accurate enough to be trusted by its kind; this one is the least vague."""
    NONE = "none"


def best_place(evidence: Sequence[Evidence]) -> tuple[Evidence | None, PlaceReason]:
    """The evidence to send crews to, and why it. O(n)."""
    best: Evidence | None = None
    for piece in evidence:
        if piece.accuracy_m <= USABLE_ACCURACY_M and (best is None or TRUST[piece.source] <= TRUST[best.source]):
            best = piece
    if best is not None:
        return best, PlaceReason.MOST_TRUSTED
    for piece in evidence:
        if best is None or piece.accuracy_m <= best.accuracy_m:
            best = piece
    return best, PlaceReason.NONE if best is None else PlaceReason.MOST_ACCURATE


def gather(
    event: Call | CallUpdate | Alarm | VideoEvent | SensorReading,
    label: str,
    caller: Caller | None,
    device: Device | None,
    gazetteer: Gazetteer,
) -> list[Evidence]:
    """All evidence that one event gives of its place.

    Args:
        event: the event.
        label: its name in the log, `SOURCE/SEQ`.
        caller: who calls, with the registered address where known.
        device: the registered camera, panel, button or sensor, where known.
        gazetteer: finds addresses in words.
    """
    found: list[Evidence] = []
    match event:
        case Call() | CallUpdate():
            if event.fix is not None:
                found.append(_from_fix(LocationSource.DEVICE_FIX, event.fix, label))
            if event.given is not None:
                found.append(_from_fix(LocationSource.GIVEN, event.given, label))
            address = event.address
            if event.cell is not None:
                found.append(_from_fix(LocationSource.CELL, event.cell, label))
        case Alarm():
            if event.fix is not None:
                found.append(_from_fix(LocationSource.DEVICE_PLACE, event.fix, label))
            address = event.address
        case VideoEvent() | SensorReading():
            if event.fix is not None:
                found.append(_from_fix(LocationSource.DEVICE_PLACE, event.fix, label))
            address = ""
    if device is not None:
        found.append(
            Evidence(LocationSource.DEVICE_PLACE, device.latitude_deg, device.longitude_deg, 10.0, device.address, label)
        )
    if address:
        _add_address(found, address, label, gazetteer, score_min=0.0)
    if caller is not None and caller.latitude_deg is not None and caller.longitude_deg is not None:
        found.append(
            Evidence(
                LocationSource.SUBSCRIBER,
                caller.latitude_deg,
                caller.longitude_deg,
                REGISTERED_ACCURACY_M,
                caller.address,
                label,
            )
        )
    elif caller is not None and caller.address and not found:
        _add_address(found, caller.address, label, gazetteer, score_min=0.0, source=LocationSource.SUBSCRIBER)
    if not found and isinstance(event, Call | CallUpdate) and event.words:
        _add_address(found, event.words, label, gazetteer, score_min=WORDS_SCORE_MIN)
    return found


def _from_fix(source: LocationSource, fix: Fix, label: str) -> Evidence:
    return Evidence(source, fix.latitude_deg, fix.longitude_deg, fix.accuracy_m, "", label)


def _add_address(
    found: list[Evidence],
    words: str,
    label: str,
    gazetteer: Gazetteer,
    *,
    score_min: float,
    source: LocationSource = LocationSource.ADDRESS,
) -> None:
    found.extend(
        Evidence(source, match.latitude_deg, match.longitude_deg, match.accuracy_m, match.name, label)
        for match in gazetteer.search(words, limit=1)
        if match.score >= score_min
    )
