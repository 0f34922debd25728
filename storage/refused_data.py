"""What to do with values PostgreSQL cannot hold: text with a NUL, bytes that are not UTF-8.

Place in the flow: persist, only after PostgreSQL has refused a batch. JSON lets a source write `\\u0000`, and the bytes of a
field that nobody decodes may be anything; one such value must neither block the stream for ever nor vanish.
Rules: an event whose own row would be refused goes to `rejected_event`, where its bytes are kept as they came, and is named to
the caller, who tells its source (invariant 4). In every other value the offending characters become U+FFFD: what the engine
decided stands.
"""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from core.decisions import Decisions, Taken
from core.events import AnyEvent, Position, Rejected
from core.vocabulary import RejectCode
from storage.event_rows import subject_of

REPLACEMENT: Final = "\ufffd"
StructT = TypeVar("StructT", bound=msgspec.Struct)


class RefusedEvent(msgspec.Struct, frozen=True):
    """An event that storage put into `rejected_event`, to be told to its source after the commit."""

    source: str
    rejected: Rejected


def clean(decisions: Decisions) -> tuple[Decisions, list[RefusedEvent]]:
    """The batch without anything PostgreSQL refuses, and the events that were moved to `rejected_event` for it."""
    refused: list[RefusedEvent] = []
    cleaned = Decisions(
        batch_no=decisions.batch_no,
        now_us=decisions.now_us,
        taken=[_clean_taken(taken, refused) for taken in decisions.taken],
        high_water={_clean_text(source): seq for source, seq in decisions.high_water.items()},
        log=[_clean_struct(one) for one in decisions.log],
        incidents=[_clean_struct(one) for one in decisions.incidents],
        assignments=[_clean_struct(one) for one in decisions.assignments],
        crews=[_clean_struct(one) for one in decisions.crews],
        positions=[_clean_struct(one) for one in decisions.positions],
        commands=[_clean_struct(one) for one in decisions.commands],
        notices=[_clean_struct(one) for one in decisions.notices],
        live_positions=decisions.live_positions,
        tellings=[_clean_struct(one) for one in decisions.tellings],
        acknowledged=decisions.acknowledged,
        centre_log=[_clean_struct(one) for one in decisions.centre_log],
        scenarios=decisions.scenarios,
        patrols=[_clean_struct(one) for one in decisions.patrols],
    )
    return cleaned, refused


def _fault_of(event: AnyEvent, raw: bytes) -> Rejected | None:
    if b"\x00" in raw:
        return Rejected(event.seq, RejectCode.MALFORMED, "$", "holds a NUL byte")
    try:
        raw.decode()
        subject = subject_of(event)
        subject.encode()
    except UnicodeError:
        return Rejected(event.seq, RejectCode.MALFORMED, "$", "is not valid UTF-8")
    if "\x00" in subject:
        return Rejected(event.seq, RejectCode.INVALID_FIELD, "$", "an identifier holds U+0000")
    return None


def _clean_taken(taken: Taken, refused: list[RefusedEvent]) -> Taken:
    chunk = taken.chunk
    rejected = {number: _clean_struct(item) for number, item in taken.rejected.items()}
    items = list(chunk.items)
    for number in range(taken.skip, len(items)):
        item = items[number]
        if isinstance(item, Rejected):
            items[number] = _clean_struct(item)
        elif number not in rejected and not isinstance(item, Position):
            fault = _fault_of(item, chunk.raws[number])
            if fault is not None:
                rejected[number] = fault
                refused.append(RefusedEvent(chunk.source, fault))
    chunk = msgspec.structs.replace(chunk, source=_clean_text(chunk.source), items=items)
    return msgspec.structs.replace(taken, chunk=chunk, rejected=rejected)


def _clean_struct(struct: StructT) -> StructT:
    changes: dict[str, str | bytes | tuple[str, ...] | dict[str, str]] = {}
    for field in struct.__struct_fields__:
        value = getattr(struct, field)
        if type(value) is str:
            fixed: str | bytes | tuple[str, ...] | dict[str, str] = _clean_text(value)
        elif type(value) is bytes:
            fixed = _clean_text(value.decode(errors="replace")).encode()
        elif type(value) is tuple:
            fixed = tuple(map(_clean_text, value))
        elif type(value) is dict:
            fixed = {_clean_text(name): _clean_text(text) for name, text in value.items()}
        else:
            continue
        if fixed != value:
            changes[field] = fixed
    return msgspec.structs.replace(struct, **changes) if changes else struct


def _clean_text(text: str) -> str:
    return text.encode(errors="replace").decode().replace("\x00", REPLACEMENT)
