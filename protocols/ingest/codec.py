"""What a frame says: JSON texts and MessagePack bodies ↔ typed messages.

Place in the flow: bytes → frame → **message → event**. No I/O, no look-ups, no log lines: any bytes give messages or
`Rejected`, and any other exception is our bug.

Rules:
- A whole read is decoded in one sweep of C code. Only when something in it is unusual is each frame looked at alone, and both
  ways give the same: the sweep accepts nothing that the single look would not.
- A MessagePack body is first written as the JSON text that is stored, then read like any JSON text: both framings accept the
  same events, and what is stored is what was understood. What JSON has no word for (bytes, extension types, infinite numbers,
  keys that are not strings) is rejected.
- What is stored is always UTF-8 without NUL bytes, because PostgreSQL's `text` takes nothing else. A decoded field holds no NUL
  character either; `\\u0000` in a field that the centre does not know is kept as it was written.
- A frame from which no seq can be read is `Rejected` without one; the session decides what that means for the sequence.
Requirements: CITY-1, CITY-2.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from math import isfinite
from typing import Final

import msgspec

from core.events import EARLIEST, KIND_OF, TRACE_FIELDS, AnyEvent, Rejected, Seq, check
from core.limits import JSON_DEPTH_MAX
from core.vocabulary import RejectCode
from protocols.ingest.frame import frame_body, frame_line
from protocols.ingest.message import Framing, FromCentre, FromSource, Heartbeat, Hello, SourceGoodbye

Item = AnyEvent | Heartbeat | SourceGoodbye | Rejected


class _Numbered(msgspec.Struct):
    """All that is asked of a frame that cannot be accepted: its number."""

    seq: Seq


_decode = msgspec.json.Decoder(FromSource).decode
_decode_number = msgspec.json.Decoder(_Numbered).decode
_decode_hello = msgspec.json.Decoder(Hello).decode
_decode_centre_json = msgspec.json.Decoder(FromCentre).decode
_decode_centre_msgpack = msgspec.msgpack.Decoder(FromCentre).decode
_decode_body = msgspec.msgpack.Decoder().decode
_encode_json = msgspec.json.Encoder().encode
_encode_msgpack = msgspec.msgpack.Encoder().encode

_EVENTS: Final = frozenset(KIND_OF)
_PATH: Final = re.compile(r"^(?P<text>.*) - at `(?P<path>[^`]*)`$", re.DOTALL)
_MISSING: Final = re.compile(r"^Object missing required field `(?P<name>[^`]*)`$")
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_DEEP_LINE_BYTES: Final = 2 * JSON_DEPTH_MAX + 48
"""Its brackets and the fields every event needs make a deeper one longer than this: shorter lines are not counted through."""
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""All that msgspec raises for bad bytes."""


class UnreadableHelloError(Exception):
    """The first line is no hello; the text says what is wrong with it."""


def decode_hello(line: bytes) -> Hello:
    """The hello in a connection's first line. Raises `UnreadableHelloError`."""
    fault = _fault_of_text(line)
    if fault is not None:
        raise UnreadableHelloError(fault)
    try:
        return _decode_hello(line)
    except _UNREADABLE as error:
        field, text = _field_and_text(error)
        raise UnreadableHelloError(f"{field}: {text}") from None


def decode_lines(lines: list[bytes], latest: datetime) -> list[Item]:
    """One item a line, in order.

    Args:
        lines: NDJSON frames without their line ends.
        latest: the latest event time accepted (`core.events.check`).

    Returns:
        Events, heartbeats, goodbyes; a `Rejected` in the place of each line that is none of them. About 0.6 µs a line when all
        are acceptable events, about 2 µs otherwise.
    """
    if _is_plain(lines):
        try:
            items = list(map(_decode, lines))
        except _UNREADABLE:
            pass
        else:
            if _EVENTS.issuperset(map(type, items)) and _are_timely(items, latest):
                # Nothing else that `check` looks at can come out of JSON: it has no infinities.
                return items
    return [_decode_line(line, latest) for line in lines]


def decode_bodies(bodies: list[bytes], latest: datetime) -> tuple[list[Item], list[bytes]]:
    """One item a MessagePack body, in order, and the JSON text of each to store."""
    try:
        trees = list(map(_decode_body, bodies))
        lines = [_encode_json(tree) for tree in trees if _is_json_object(tree)]
        if len(lines) == len(bodies):
            return decode_lines(lines, latest), lines
    except (*_UNREADABLE, TypeError, ValueError):
        pass
    pairs = [_decode_one_body(body, latest) for body in bodies]
    return [item for item, _ in pairs], [line for _, line in pairs]


def encode(framing: Framing, messages: Iterable[FromCentre | FromSource]) -> bytes:
    """Messages as frames of a stream, one behind the other."""
    if framing is Framing.NDJSON:
        return b"".join([frame_line(_encode_json(message)) for message in messages])
    return b"".join([frame_body(_encode_msgpack(message)) for message in messages])


def decode_from_centre(framing: Framing, frame: bytes) -> FromCentre:
    """A frame of the centre, for clients. Raises `msgspec.MsgspecError` or `UnicodeDecodeError` where it is none."""
    message: FromCentre = _decode_centre_json(frame) if framing is Framing.NDJSON else _decode_centre_msgpack(frame)
    return message


def storable(raw: bytes) -> bytes:
    """`raw` if PostgreSQL can store it as text, else a readable rendering with `\\xNN` for each byte it cannot."""
    if b"\0" not in raw:
        if raw.isascii():
            return raw
        try:
            raw.decode()
        except UnicodeDecodeError:
            pass
        else:
            return raw
    return raw.decode("utf-8", "backslashreplace").replace("\0", "\\x00").encode()


def _is_plain(lines: list[bytes]) -> bool:
    """Whether no line needs a look of its own for its bytes: valid UTF-8, no NUL however written, not deep."""
    block = b"\n".join(lines)
    if b"\0" in block or (b"\\" in block and b"\\u0000" in block):
        return False
    if not block.isascii():
        try:
            block.decode()
        except UnicodeDecodeError:
            return False
    return not [
        None for line in lines if len(line) >= _DEEP_LINE_BYTES and line.count(b"{") + line.count(b"[") > JSON_DEPTH_MAX
    ]


def _are_timely(events: list[AnyEvent], latest: datetime) -> bool:
    moments = [event.at for event in events]
    return not moments or (min(moments) >= EARLIEST and max(moments) <= latest)


def _decode_line(line: bytes, latest: datetime) -> Item:
    fault = _fault_of_text(line)
    if fault is not None:
        return _malformed(fault)
    try:
        item: AnyEvent | Heartbeat | SourceGoodbye = _decode(line)
    except msgspec.ValidationError as error:
        field, text = _field_and_text(error)
        seq = _number(line)
        code = RejectCode.INVALID_FIELD
        if seq is None:
            code = RejectCode.MALFORMED
        elif field == "$.kind":
            code = RejectCode.UNKNOWN_KIND
        return Rejected(seq=seq, code=code, field=field, text=text)
    except _UNREADABLE as error:
        return _malformed(str(error))
    if isinstance(item, Heartbeat | SourceGoodbye):
        return item
    found = check(item, latest)
    if found is None and b"\\u0000" in line:
        found = _nul_in(item, "$")
    if found is not None:
        code, field, text = found
        return Rejected(seq=item.seq, code=code, field=field, text=text)
    return item


def _decode_one_body(body: bytes, latest: datetime) -> tuple[Item, bytes]:
    try:
        tree: object = _decode_body(body)
    except (*_UNREADABLE, TypeError, ValueError) as error:
        return _malformed(str(error)), storable(body)
    fault = _fault_of_tree(tree, "$", 1)
    if fault is None:
        line = _encode_json(tree)
        return _decode_line(line, latest), line
    field, text = fault
    seq = tree.get("seq") if isinstance(tree, dict) else None
    if type(seq) is int and 1 <= seq <= 2**62 and field:
        return Rejected(seq=seq, code=RejectCode.INVALID_FIELD, field=field, text=text), storable(body)
    return _malformed(text), storable(body)


def _malformed(text: str) -> Rejected:
    return Rejected(seq=None, code=RejectCode.MALFORMED, field="$", text=text)


def _is_json_object(tree: object, depth: int = 1) -> bool:
    """Whether a decoded body is an object that JSON can say; the quick form of `_fault_of_tree`."""
    if type(tree) is not dict or depth > JSON_DEPTH_MAX:
        return False
    for key, value in tree.items():
        if type(key) is not str:
            return False
        kind = type(value)
        if kind in _EXACT:
            continue
        if kind is float:
            if not isfinite(value):
                return False
        elif kind is dict:
            if not _is_json_object(value, depth + 1):
                return False
        elif _fault_of_tree(value, "", depth + 1) is not None:
            return False
    return True


_EXACT: Final = frozenset({str, int, bool, type(None), datetime})
"""What MessagePack and JSON both say."""


def _fault_of_tree(tree: object, path: str, depth: int) -> tuple[str, str] | None:
    """Path and text of the first thing in a decoded body that JSON cannot say, or None. An empty path: not readable at all."""
    if depth > JSON_DEPTH_MAX and isinstance(tree, dict | list):
        return "", f"nested deeper than {JSON_DEPTH_MAX}"
    if isinstance(tree, dict):
        for key, value in tree.items():
            if type(key) is not str:
                return path, "keys must be strings"
            found = _fault_of_tree(value, f"{path}.{key}", depth + 1)
            if found is not None:
                return found
    elif isinstance(tree, list):
        for value in tree:
            found = _fault_of_tree(value, f"{path}[...]", depth + 1)
            if found is not None:
                return found
    elif isinstance(tree, float):
        if not isfinite(tree):
            return path, "must be a finite number"
    elif type(tree) not in _EXACT:
        return path, "bytes and extension types are not accepted"
    return None


def _fault_of_text(line: bytes) -> str | None:
    """Why a line is not even worth decoding, or None."""
    if b"\0" in line:
        return "holds a NUL byte"
    try:
        line.decode()
    except UnicodeDecodeError as error:
        return f"not valid UTF-8 at byte {error.start}"
    if line.count(b"{") + line.count(b"[") > JSON_DEPTH_MAX:
        depth = 0
        for byte in _STRING.sub(b"", line):
            if byte in b"{[":
                depth += 1
                if depth > JSON_DEPTH_MAX:
                    return f"nested deeper than {JSON_DEPTH_MAX}"
            elif byte in b"}]":
                depth -= 1
    return None


def _number(line: bytes) -> int | None:
    try:
        return _decode_number(line).seq
    except _UNREADABLE:
        return None


def _field_and_text(error: Exception) -> tuple[str, str]:
    """msgspec's message as field path and text: `... - at `$.fix.latitude_deg``; a missing field is named in the path."""
    text, path = str(error), "$"
    found = _PATH.match(text)
    if found:
        text, path = found["text"], found["path"]
    missing = _MISSING.match(text)
    if missing:
        path = f"{path}.{missing['name']}"
    return path, text


def _nul_in(value: object, path: str) -> tuple[RejectCode, str, str] | None:
    """The first NUL character in a decoded event's own fields."""
    if isinstance(value, str):
        return (RejectCode.INVALID_FIELD, path, "must not hold NUL characters") if "\0" in value else None
    if isinstance(value, msgspec.Struct):
        own = (name for name in value.__struct_fields__ if name not in TRACE_FIELDS)
        fields: Iterable[tuple[str, object]] = ((f"{path}.{name}", getattr(value, name)) for name in own)
    elif isinstance(value, tuple):
        fields = ((f"{path}[...]", element) for element in value)
    else:
        return None
    for field, element in fields:
        found = _nul_in(element, field)
        if found is not None:
            return found
    return None
