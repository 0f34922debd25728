"""Frames of sources, good and bad, with what each must become; read by the tests of frames, codec and session."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from core.vocabulary import RejectCode

AT = "2026-05-09T10:00:00Z"


class Case(NamedTuple):
    """A frame whose seq is 1 where it has one."""

    name: str
    frame: bytes
    kind: str
    """`event`, `control`, or the reject code's value."""
    seq: int | None = None
    field: str = ""


def text(**fields: object) -> bytes:
    """A JSON event with seq and time."""
    return msgspec.json.encode({"seq": 1, "at": AT, **fields})


def body(**fields: object) -> bytes:
    """The same as MessagePack."""
    return msgspec.msgpack.encode({"seq": 1, "at": AT, **fields})


def deep(depth: int) -> bytes:
    """A call whose unknown field makes it `depth` deep."""
    nested = b"[" * (depth - 1) + b"]" * (depth - 1)
    return b'{"kind":"call","seq":1,"at":"2000-01-01T00:00:00Z","":' + nested + b"}"


PLACE = {"latitude_deg": 43.2, "longitude_deg": 76.9}
MALFORMED = RejectCode.MALFORMED.value
INVALID = RejectCode.INVALID_FIELD.value
UNKNOWN = RejectCode.UNKNOWN_KIND.value
TIME = RejectCode.TIME_OUT_OF_RANGE.value

GOOD = [
    Case("call", text(kind="call", phone="+7 701 000 11 22", words="Өрт! пожар", fix={**PLACE, "accuracy_m": 12}), "event", 1),
    Case("call with nothing", text(kind="call"), "event", 1),
    Case("call_update", text(kind="call_update", call_id="c-1", words="third floor"), "event", 1),
    Case("alarm", text(kind="alarm", device="panel-7", alarm="fire", zone="2"), "event", 1),
    Case("sensor", text(kind="sensor", device="gas-3", quantity="ch4", value=1.5, unit="%"), "event", 1),
    Case("plate", text(kind="plate", camera="cam-17", plate="123ABC02", confidence=0.97, fix=PLACE), "event", 1),
    Case("video", text(kind="video", camera="cam-2", analytic="smoke"), "event", 1),
    Case("position", text(kind="position", crew="A-1", speed_mps=3, **PLACE), "event", 1),
    Case("crew_status", text(kind="crew_status", crew="A-1", status="free", capabilities=["patrol"]), "event", 1),
    Case("unknown fields", text(kind="plate", camera="c", plate="p", lane=3, vendor={"a": [1, {"b": None}]}), "event", 1),
    Case("unknown NUL escape", b'{"kind":"call","seq":1,"at":"2026-05-09T10:00:00Z","x":"\\u0000"}', "event", 1),
    Case("escaped backslash", b'{"kind":"call","seq":1,"at":"2026-05-09T10:00:00Z","words":"\\\\u0000"}', "event", 1),
    Case("spaces", b' { "kind" : "call" , "seq" : 1 , "at" : "2026-05-09 10:00:00+05:00" } ', "event", 1),
    Case("as deep as allowed", deep(64), "event", 1),
    Case("brackets in a string", text(kind="call", words="[{" * 300), "event", 1),
    Case("heartbeat", b'{"kind":"heartbeat"}', "control"),
    Case("goodbye", b'{"kind":"goodbye","reason":"done"}', "control"),
]

BAD = [
    Case("noise", b"\x16\x03\x01\x02\x00", MALFORMED, None, "$"),
    Case("text", b"GET / HTTP/1.1", MALFORMED, None, "$"),
    Case("empty object", b"{}", MALFORMED, None, "$.kind"),
    Case("array", b"[1]", MALFORMED, None, "$"),
    Case("number", b"5", MALFORMED, None, "$"),
    Case("huge number", b"1" * 5000, MALFORMED, None, "$"),
    Case("cut object", text(kind="call")[:-1], MALFORMED, None, "$"),
    Case("two objects", text(kind="call") + text(kind="call"), MALFORMED, None, "$"),
    Case("NaN", b'{"kind":"sensor","seq":1,"at":"2026-05-09T10:00:00Z","value":NaN}', MALFORMED, None, "$"),
    Case("no seq", b'{"kind":"call","at":"2026-05-09T10:00:00Z"}', MALFORMED, None, "$.seq"),
    Case("seq zero", text(kind="call", seq=0), MALFORMED, None, "$.seq"),
    Case("seq text", text(kind="call", seq="1"), MALFORMED, None, "$.seq"),
    Case("seq float", text(kind="call", seq=1.5), MALFORMED, None, "$.seq"),
    Case("seq huge", b'{"kind":"call","seq":99999999999999999999,"at":"2026-05-09T10:00:00Z"}', MALFORMED, None, "$.seq"),
    Case("second hello", b'{"kind":"hello","protocol":"jedel-ingest/1","token":"t","source":"s"}', MALFORMED, None, "$.kind"),
    Case("broken UTF-8", text(kind="call", words="XX").replace(b"XX", b"\xff\xfe"), MALFORMED, None, "$"),
    Case("broken UTF-8 unknown", text(kind="call", xx="XX").replace(b"XX", b"\xff\xfe"), MALFORMED, None, "$"),
    Case("lone surrogate", text(kind="call", words="XX").replace(b"XX", b"\\ud800"), MALFORMED, None, "$"),
    Case("NUL byte", text(kind="call", words="XX").replace(b"XX", b"\0"), MALFORMED, None, "$"),
    Case("NUL byte alone", b"\0", MALFORMED, None, "$"),
    Case("too deep", deep(65), MALFORMED, None, "$"),
    Case("much too deep", b'{"kind":"call","x":' + b"[" * 100_000, MALFORMED, None, "$"),
    Case("deep outside", b"[" * 100_000, MALFORMED, None, "$"),
    Case("unknown kind", text(kind="drone"), UNKNOWN, 1, "$.kind"),
    Case("kind number", text(kind=5), UNKNOWN, 1, "$.kind"),
    Case("no kind", text(), UNKNOWN, 1, "$.kind"),
    Case("no camera", text(kind="plate", plate="p"), INVALID, 1, "$.camera"),
    Case("camera number", text(kind="plate", plate="p", camera=1), INVALID, 1, "$.camera"),
    Case("camera empty", text(kind="plate", plate="p", camera=""), INVALID, 1, "$.camera"),
    Case("latitude", text(kind="position", crew="A", latitude_deg=91, longitude_deg=0), INVALID, 1, "$.latitude_deg"),
    Case("nested", text(kind="call", fix={"latitude_deg": 0, "longitude_deg": 180.5}), INVALID, 1, "$.fix.longitude_deg"),
    Case("nested missing", text(kind="call", fix={"latitude_deg": 0}), INVALID, 1, "$.fix.longitude_deg"),
    Case("in an array", text(kind="call", codes=["a", ""]), INVALID, 1, "$.codes[1]"),
    Case("infinite", text(kind="sensor", device="d", quantity="q", value=0).replace(b":0}", b":1e999}"), INVALID, 1, "$.value"),
    Case("naive time", text(kind="call", at="2026-05-09T10:00:00"), INVALID, 1, "$.at"),
    Case("no time", text(kind="call", at="yesterday"), INVALID, 1, "$.at"),
    Case("far past", text(kind="call", at="1999-12-31T23:59:59Z"), TIME, 1, "$.at"),
    Case("first year", text(kind="call", at="0001-01-01T00:00:00+14:00"), TIME, 1, "$.at"),
    Case("far future", text(kind="call", at="9999-12-31T23:59:59-14:00"), TIME, 1, "$.at"),
    Case("six minutes ahead", text(kind="call", at="2026-05-09T10:36:00Z"), TIME, 1, "$.at"),
    Case(
        "NUL in a field",
        b'{"kind":"plate","seq":1,"at":"2026-05-09T10:00:00Z","camera":"\\u0000","plate":"p"}',
        INVALID,
        1,
        "$.camera",
    ),
    Case(
        "NUL in an array",
        b'{"kind":"call","seq":1,"at":"2026-05-09T10:00:00Z","codes":["a\\u0000"]}',
        INVALID,
        1,
        "$.codes[...]",
    ),
    Case("too many words", text(kind="call", words="x" * 4001), INVALID, 1, "$.words"),
]

BAD_BODIES = [
    Case("empty", b"", MALFORMED, None, "$"),
    Case("never used", b"\xc1", MALFORMED, None, "$"),
    Case("array of 4 Gi", b"\xdd\xff\xff\xff\xff", MALFORMED, None, "$"),
    Case("map of 4 Gi", b"\xdf\xff\xff\xff\xff", MALFORMED, None, "$"),
    Case("cut", body(kind="call")[:-1], MALFORMED, None, "$"),
    Case("trailing", body(kind="call") + b"\x01", MALFORMED, None, "$"),
    Case("broken UTF-8", body(kind="call", words="XX").replace(b"XX", b"\xff\xfe"), MALFORMED, None, "$"),
    Case("number", b"\x05", MALFORMED, None, "$"),
    Case("JSON text", text(kind="call"), MALFORMED, None, "$"),
    Case("much too deep", b"\x91" * 100_000, MALFORMED, None, "$"),
    Case("too deep", body(kind="call", x=0)[:-1] + b"\x91" * 63 + b"\x90", MALFORMED, None, "$"),
    Case("infinite", body(kind="sensor", device="d", quantity="q", value=float("inf")), INVALID, 1, "$.value"),
    Case("infinite unknown", body(kind="call", x=float("-inf")), INVALID, 1, "$.x"),
    Case("NaN unknown", body(kind="call", x={"y": [float("nan")]}), INVALID, 1, "$.x.y[...]"),
    Case("bytes", body(kind="call", words=b"abc"), INVALID, 1, "$.words"),
    Case("bytes unknown", body(kind="call", x=[b"abc"]), INVALID, 1, "$.x[...]"),
    Case("extension", body(kind="call", x=msgspec.msgpack.Ext(5, b"a")), INVALID, 1, "$.x"),
    Case("number key", body(kind="call", x={1: 2}), INVALID, 1, "$.x"),
    Case("nil key", body(kind="call", x={None: 2}), INVALID, 1, "$.x"),
    Case("bytes and no seq", msgspec.msgpack.encode({"kind": b"call"}), MALFORMED, None, "$"),
    Case("unknown kind", body(kind="drone"), UNKNOWN, 1, "$.kind"),
    Case("NUL in a field", body(kind="plate", camera="\0", plate="p"), INVALID, 1, "$.camera"),
]
