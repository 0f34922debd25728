"""A batch's events as rows of `event` and `rejected_event`: the one place in storage that is run for every event.

Place in the flow: persist. A chunk's items go to `event` with the bytes their source wrote, except positions (kept thinned in
`position`) and what was refused by the codec or by the engine, which goes to `rejected_event` (invariant 4). Items below
`skip` were stored by an earlier batch.

Two forms of the same rows: packed straight into COPY's pieces, where what a chunk has in common is packed once, and tuples for
small batches that go as parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from struct import Struct
from typing import Final

import numpy as np

from core.decisions import Taken
from core.events import (
    KIND_OF,
    Alarm,
    AnyEvent,
    Call,
    CallUpdate,
    CrewStatus,
    PlateRead,
    Position,
    Rejected,
    SensorReading,
    VideoEvent,
)
from core.instant import to_micros
from storage.copy_binary import EPOCH_2000_US, Row

_COLUMNS: Final = 8
_PREFIX: Final = Struct(">hiqi").pack
_PLAIN: Final = Struct(">iqihiqii").pack
_WITH_INCIDENT: Final = Struct(">iqihiqiqi").pack
_LENGTH: Final = Struct(">i").pack
_EPOCH_2000: Final = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


_SUBJECTS: Final[dict[type, str]] = {
    CallUpdate: "call_id",
    Alarm: "device",
    SensorReading: "device",
    PlateRead: "plate",
    VideoEvent: "camera",
    CrewStatus: "crew",
}
"""Field that says what an event is about. A call's is its phone, or its number at the source where the phone is withheld."""
_ALIKE: Final = {kind: (int(KIND_OF[kind]), attrgetter(field)) for kind, field in _SUBJECTS.items()}
_SEQ: Final = attrgetter("seq")
_AT: Final = attrgetter("at")
PIECE_EVENTS: Final = 1024
"""Events packed and sent at once: about 256 KiB, which malloc gives again and again without new pages from the kernel. Measured
as CPU an event: 0.8–1.2 µs, with 8,192 at once 1.1–1.7 µs; and the server works while the next piece is packed."""


def subject_of(event: AnyEvent) -> str:
    """What an event is about: the plate, phone, call, crew, camera or device. Raises `KeyError` for a position."""
    if isinstance(event, Call):
        return event.phone or event.call_id
    subject: str = getattr(event, _SUBJECTS[type(event)])
    return subject


def pack_events(taken: list[Taken]) -> Iterator[bytes]:
    """The batch's rows of `event` in pieces for COPY, without its header and trailer. O(events).

    Rows of a chunk are grouped by kind: a table has no order. A piece holds `PIECE_EVENTS` rows or fewer.
    """
    for one in taken:
        chunk = one.chunk
        source = chunk.source.encode()
        prefix = _PREFIX(_COLUMNS, 8, chunk.received_us - EPOCH_2000_US, len(source)) + source
        alike = not one.incidents and not one.rejected
        for start in range(one.skip, len(chunk.items), PIECE_EVENTS):
            items, raws = chunk.items[start : start + PIECE_EVENTS], chunk.raws[start : start + PIECE_EVENTS]
            kinds = set(map(type, items))
            if not alike or Call in kinds:
                yield _pack_each(one, start, items, raws, prefix)
                continue
            for kind in kinds - {Position, Rejected}:
                if len(kinds) == 1:
                    yield _pack_alike(kind, items, raws, prefix)
                else:
                    chosen = [number for number, item in enumerate(items) if type(item) is kind]
                    yield _pack_alike(kind, [items[number] for number in chosen], [raws[number] for number in chosen], prefix)


def _pack_alike(kind: type, items: Sequence[AnyEvent | Rejected], raws: Sequence[bytes], prefix: bytes) -> bytes:
    """Packs events of one kind that belong to no incident: the stream of sensors."""
    number, subject_field = _ALIKE[kind]
    # A double holds today's microseconds exactly; this way costs half of dividing timedeltas.
    seconds = np.fromiter(map(datetime.timestamp, map(_AT, items)), np.float64, len(items))
    instants: list[int] = (np.rint(seconds * 1e6).astype(np.int64) - EPOCH_2000_US).tolist()
    pieces: list[bytes] = []
    put = pieces.append
    packers: dict[int, Callable[..., bytes]] = {}
    width = len(prefix)
    # Values by column, never a tuple an event: thousands of tuples would set off the garbage collector.
    for seq, subject, at, raw in zip(map(_SEQ, items), map(subject_field, items), instants, raws, strict=True):
        about = subject.encode()
        length = len(about)
        packer = packers.get(length)
        if packer is None:
            # One struct for the row up to its payload, for each of the few lengths that subjects have.
            packer = packers[length] = Struct(f">{width}siqihiqii{length}si").pack
        put(packer(prefix, 8, seq, 2, number, 8, at, -1, length, about, len(raw)))
        put(raw)
    return b"".join(pieces)


def _pack_each(one: Taken, start: int, items: Sequence[AnyEvent | Rejected], raws: Sequence[bytes], prefix: bytes) -> bytes:
    """Packs events of any kind, with or without an incident."""
    incidents, rejected = one.incidents, one.rejected
    pieces: list[bytes] = []
    put = pieces.extend
    for number, (item, raw) in enumerate(zip(items, raws, strict=True), start):
        if isinstance(item, Rejected | Position) or number in rejected:
            continue
        kind = KIND_OF[type(item)]
        about = subject_of(item).encode()
        at = (item.at - _EPOCH_2000) // _MICROSECOND
        incident_id = incidents.get(number)
        if incident_id is None:
            head = _PLAIN(8, item.seq, 2, kind, 8, at, -1, len(about))
        else:
            head = _WITH_INCIDENT(8, item.seq, 2, kind, 8, at, 8, incident_id, len(about))
        put((prefix, head, about, _LENGTH(len(raw)), raw))
    return b"".join(pieces)


def event_rows(taken: list[Taken]) -> list[Row]:
    """The same rows as tuples in the order of `tables.EVENT`; the payload is `bytes`."""
    rows: list[Row] = []
    for one in taken:
        chunk = one.chunk
        for number in range(one.skip, len(chunk.items)):
            item = chunk.items[number]
            if isinstance(item, Rejected | Position) or number in one.rejected:
                continue
            rows.append(
                (
                    chunk.received_us,
                    chunk.source,
                    item.seq,
                    int(KIND_OF[type(item)]),
                    to_micros(item.at),
                    one.incidents.get(number),
                    subject_of(item),
                    chunk.raws[number],
                )
            )
    return rows


def rejected_rows(taken: list[Taken], batch_no: int) -> list[Row]:
    """The batch's rows of `rejected_event`: what its codecs and what the engine refused, with the bytes as they came."""
    rows: list[Row] = []
    for one in taken:
        chunk = one.chunk
        refused = {number: item for number, item in one.rejected.items() if number >= one.skip}
        if Rejected in set(map(type, chunk.items)):
            refused |= {
                number: item for number, item in enumerate(chunk.items) if number >= one.skip and type(item) is Rejected
            }
        for number, item in sorted(refused.items()):
            rows.append(
                (
                    chunk.received_us,
                    chunk.source,
                    item.seq,
                    batch_no,
                    item.code.value,
                    item.field,
                    item.text,
                    chunk.raws[number],
                )
            )
    return rows
