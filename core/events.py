"""What sources say, as typed and validated structs: the one vocabulary of every ingest protocol.

Place in the flow: bytes → frame → **event** → identify → locate → correlate → incident → assign. A codec gives these and
nothing else. The struct's tag is the `kind` field on the wire. Fields that a source adds of its own are kept: the event's own
bytes are stored beside it. Validation is msgspec's, so an error names the field's path; rules that msgspec cannot say
(instants in range, finite numbers inside MessagePack) are `check`.

Rules: times are RFC 3339 with a zone; positions WGS 84 degrees; telephone numbers in any spelling (`core.phone` reads them).
Requirements: OCC-1, CITY-1, CITY-2, CITY-18.
"""

from __future__ import annotations

from datetime import UTC, datetime
from math import isfinite
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from core.instant import Micros
from core.vocabulary import EventKind, RejectCode

Instant = Annotated[datetime, Meta(tz=True)]
Seq = Annotated[int, Meta(ge=1, le=2**62)]
Key = Annotated[str, Meta(min_length=1, max_length=64)]
"""A short identifier: a camera, a device, a crew, a call."""
OptionalKey = Annotated[str, Meta(max_length=64)]
Words = Annotated[str, Meta(max_length=4000)]
Latitude = Annotated[float, Meta(ge=-90.0, le=90.0)]
Longitude = Annotated[float, Meta(ge=-180.0, le=180.0)]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]

EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""An event older than this is a broken clock, not history."""
FUTURE_TOLERANCE_S: Final = 300
"""A source's clock may run ahead of the centre's by this much."""


class Fix(msgspec.Struct, frozen=True, gc=False):
    """A position with its uncertainty radius in metres (one sigma as the device states it)."""

    latitude_deg: Latitude
    longitude_deg: Longitude
    accuracy_m: Annotated[float, Meta(ge=0.0, le=1_000_000.0)] = 0.0


class Event(msgspec.Struct, tag_field="kind", kw_only=True, frozen=True, gc=False):
    """What every event has: its number in the source's stream and when it happened."""

    seq: Seq
    at: Instant


class Traced(Event, kw_only=True, frozen=True, gc=False):
    """An event that may open an incident, and may stand in a trace of the system that sent it (`core.trace`)."""

    traceparent: object = msgspec.UNSET
    """The trace it belongs to (W3C Trace Context); what cannot be read is ignored, and never a fault of the event."""
    tracestate: object = msgspec.UNSET
    """What trace systems add to it, at most 32 members; passed on up to 512 characters, and only with a `traceparent`."""


class Call(Traced, tag="call", kw_only=True, frozen=True, gc=False):
    """A person asks for help. `phone` is empty for a withheld number. `call_id` lets the source send updates."""

    phone: OptionalKey = ""
    call_id: OptionalKey = ""
    words: Words = ""
    language: Annotated[str, Meta(max_length=16)] = ""
    category: OptionalKey = ""
    """A category code already chosen by the operator or the other service; empty to let the centre choose."""
    codes: Annotated[tuple[Key, ...], Meta(max_length=16)] = ()
    fix: Fix | None = None
    given: Fix | None = None
    address: Annotated[str, Meta(max_length=400)] = ""
    cell: Fix | None = None


class CallUpdate(Traced, tag="call_update", kw_only=True, frozen=True, gc=False):
    """New words or a new location for a call sent earlier by the same source."""

    call_id: Key
    words: Words = ""
    category: OptionalKey = ""
    codes: Annotated[tuple[Key, ...], Meta(max_length=16)] = ()
    fix: Fix | None = None
    given: Fix | None = None
    address: Annotated[str, Meta(max_length=400)] = ""
    cell: Fix | None = None


class Alarm(Traced, tag="alarm", kw_only=True, frozen=True, gc=False):
    """A panel, an emergency button or a fire detector has gone off. `fix` is the device's registered place."""

    device: Key
    alarm: Literal["panel", "button", "fire"]
    code: OptionalKey = ""
    zone: OptionalKey = ""
    words: Words = ""
    phone: OptionalKey = ""
    fix: Fix | None = None
    address: Annotated[str, Meta(max_length=400)] = ""


class SensorReading(Traced, tag="sensor", kw_only=True, frozen=True, gc=False):
    """A measured value, for example gas concentration or water level; the category table says which values matter."""

    device: Key
    quantity: Key
    value: float
    unit: Annotated[str, Meta(max_length=16)] = ""
    fix: Fix | None = None


class PlateRead(Event, tag="plate", kw_only=True, frozen=True, gc=False):
    """A camera has read a registration plate (CITY-14)."""

    camera: Key
    plate: Annotated[str, Meta(min_length=1, max_length=16)]
    confidence: Share = 1.0
    fix: Fix | None = None


class VideoEvent(Traced, tag="video", kw_only=True, frozen=True, gc=False):
    """Video analytics have seen something, for example `smoke`, `fight`, `crowd`, `person_down` (CITY-18)."""

    camera: Key
    analytic: Key
    confidence: Share = 1.0
    words: Words = ""
    fix: Fix | None = None


class Position(Event, tag="position", kw_only=True, frozen=True, gc=False):
    """A crew or a device is here now. Of several in one batch the latest a crew wins."""

    crew: Key
    latitude_deg: Latitude
    longitude_deg: Longitude
    accuracy_m: Annotated[float, Meta(ge=0.0, le=1_000_000.0)] = 0.0
    speed_mps: Annotated[float, Meta(ge=0.0, le=500.0)] | None = None
    course_deg: Annotated[float, Meta(ge=0.0, le=360.0)] | None = None


class CrewStatus(Event, tag="crew_status", kw_only=True, frozen=True, gc=False):
    """A crew's terminal reports a state. A crew becomes known by the first one that gives its capabilities."""

    crew: Key
    status: Literal[
        "off_duty", "free", "accepted", "declined", "en_route", "on_scene", "cleared", "returning", "busy", "out_of_service"
    ]
    incident: Annotated[int, Meta(ge=1)] | None = None
    capabilities: Annotated[tuple[Key, ...], Meta(max_length=16)] | None = None
    territory: Annotated[str, Meta(max_length=200)] | None = None
    """The territory it serves; absent keeps what is known."""
    outside: bool | None = None
    """Whether it may be sent outside its territory."""
    fix: Fix | None = None
    words: Words = ""


AnyEvent = Call | CallUpdate | Alarm | SensorReading | PlateRead | VideoEvent | Position | CrewStatus
URGENT: Final[frozenset[type]] = frozenset({Call, CallUpdate, Alarm, CrewStatus})
"""Kinds that make their chunk go first (invariant 9)."""

TRACE_FIELDS: Final = frozenset(Traced.__struct_fields__) - frozenset(Event.__struct_fields__)
"""Fields that are read leniently: a call is never refused for its trace."""

KIND_OF: Final[dict[type, EventKind]] = {
    Call: EventKind.CALL,
    CallUpdate: EventKind.CALL_UPDATE,
    Alarm: EventKind.ALARM,
    SensorReading: EventKind.SENSOR,
    PlateRead: EventKind.PLATE,
    VideoEvent: EventKind.VIDEO,
    Position: EventKind.POSITION,
    CrewStatus: EventKind.CREW_STATUS,
}


class Rejected(msgspec.Struct, frozen=True, gc=False):
    """An event that could not be accepted, in its place in the stream. `seq` is None where none could be read."""

    seq: int | None
    code: RejectCode
    field: str
    """Path of the offending field in JSONPath's spelling, `$` for the whole event."""
    text: str


class Chunk(msgspec.Struct, frozen=True, gc=False):
    """Consecutive events of one source, as one read of its connection gave them.

    `items[i]` came from the bytes `raws[i]` (JSON text without its line end; a MessagePack event is transcoded). Sequence
    numbers rise by one through `items`, except at a `Rejected` without one. `last_seq` is what the source may be told is
    taken once the batch is committed.
    """

    source: str
    received_us: Micros
    items: list[AnyEvent | Rejected]
    raws: list[bytes]
    last_seq: int
    urgent: bool
    """Whether any item is one of `URGENT`."""


def check(event: AnyEvent, latest: datetime) -> tuple[RejectCode, str, str] | None:
    """What msgspec's types cannot say of an event: `(code, field path, text)` of the first fault, or None.

    Args:
        event: a decoded event.
        latest: the latest instant accepted, computed once a read: the centre's time plus `FUTURE_TOLERANCE_S`.
    """
    if not EARLIEST <= event.at <= latest:
        return RejectCode.TIME_OUT_OF_RANGE, "$.at", "must lie between 2000-01-01 and five minutes from now"
    if type(event) is SensorReading and not isfinite(event.value):
        return RejectCode.INVALID_FIELD, "$.value", "must be a finite number"
    return None
