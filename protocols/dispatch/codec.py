"""Dispatch messages from and to bytes, without I/O.

`decode` gives one client's message or raises `RefusedError`, whatever the bytes; any other exception is our bug. The views of
incidents and crews are JSON already, made once by the engine: messages that carry them are joined, never encoded again.

Every frame given out has `HEADROOM` free bytes before its text, where picows writes the WebSocket header, so one frame goes to
a thousand clients without being copied.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from protocols.dispatch.message import CentreMessage, ClientMessage, ErrorCode

HEADROOM: Final = 14
"""The longest WebSocket header, and what `WSTransport.send_reuse_external_bytearray` asks for."""
_ROOM: Final = bytes(HEADROOM)

_decoder: Final[msgspec.json.Decoder[ClientMessage]] = msgspec.json.Decoder(ClientMessage)
_centre_decoder: Final[msgspec.json.Decoder[CentreMessage]] = msgspec.json.Decoder(CentreMessage)
_encoder: Final = msgspec.json.Encoder()
_PATH: Final = re.compile(r" - at `([^`]*)`$")


class RefusedError(Exception):
    """A client's message that cannot be accepted: `code`, the field's path, a text, and `ref` for what it was about."""

    def __init__(self, code: ErrorCode, field: str, text: str, ref: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.field = field
        self.text = text
        self.ref = ref


class _Body(msgspec.Struct, frozen=True):
    command_id: str = ""


class _Ref(msgspec.Struct, frozen=True):
    """The little that an error answers to, read from a message that is wrong elsewhere."""

    kind: str = ""
    id: str = ""
    body: _Body = _Body()


_ref_decoder: Final = msgspec.json.Decoder(_Ref)


def decode(payload: bytes) -> ClientMessage:
    """One client's message from the text of one WebSocket message. Raises `RefusedError`."""
    try:
        message = _decoder.decode(payload)
        if b"\\u0000" in payload:
            _refuse_nul(message, "$", payload)
        return message
    except msgspec.ValidationError as error:
        raise _refused(str(error), payload) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RefusedError(ErrorCode.MALFORMED, "$", f"not a JSON object in UTF-8: {error}") from None


def _refuse_nul(value: object, path: str, payload: bytes) -> None:
    """Raises `RefusedError` for a NUL in any field: PostgreSQL keeps none, and a command must be stored under its own id."""
    if isinstance(value, str):
        if "\0" in value:
            raise RefusedError(ErrorCode.INVALID_FIELD, path, "must not hold NUL characters", _ref_of(payload))
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            _refuse_nul(getattr(value, name), f"{path}.{name}", payload)
    elif isinstance(value, tuple):
        for element in value:
            _refuse_nul(element, f"{path}[...]", payload)


def _ref_of(payload: bytes) -> str:
    """What a message that is refused was about, as far as it can be read."""
    try:
        seen = _ref_decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return (seen.id or seen.body.command_id)[:64]


def _refused(text: str, payload: bytes) -> RefusedError:
    ref = _ref_of(payload)
    found = _PATH.search(text)
    # msgspec leaves the path out for the message as a whole.
    field, words = (found.group(1), text[: found.start()]) if found else ("$", text)
    # The tag's own path is `$.kind` or, within a command's body, `$.body.command`.
    unknown = text.startswith("Invalid value") and field in {"$.kind", "$.body.command"}
    return RefusedError(ErrorCode.UNKNOWN_KIND if unknown else ErrorCode.INVALID_FIELD, field, words, ref)


def encode(message: CentreMessage | ClientMessage) -> bytearray:
    """A message as a frame with its headroom."""
    frame = bytearray(HEADROOM)
    _encoder.encode_into(message, frame, HEADROOM)
    return frame


def encode_json(value: msgspec.Struct | str) -> bytes:
    """A part of a message (a position, a notice, an id) as JSON."""
    return _encoder.encode(value)


def text_of(frame: bytearray) -> bytes:
    """The JSON text of a frame, without its headroom."""
    return bytes(frame[HEADROOM:])


def decode_centre(payload: bytes) -> CentreMessage:
    """One message of the centre, for clients written in Python. Raises `msgspec.DecodeError`."""
    return _centre_decoder.decode(payload)


class Updates:
    """Views and ids gathered for one message. `size` is about the bytes they will take."""

    __slots__ = ("crews", "incidents", "notices", "positions", "removed", "removed_crews", "size")

    def __init__(self) -> None:
        self.incidents: list[bytes] = []
        self.removed: list[bytes] = []
        self.crews: list[bytes] = []
        self.removed_crews: list[bytes] = []
        self.positions: list[bytes] = []
        self.notices: list[bytes] = []
        self.size = 0

    def add(self, into: list[bytes], json: bytes) -> None:
        """Adds one JSON value to one of the lists."""
        into.append(json)
        self.size += len(json) + 1

    def body(self) -> bytes:
        """The lists that are not empty as the inside of a JSON object, each with a comma before it."""
        parts: list[bytes] = []
        for name, values in (
            (b"incidents", self.incidents),
            (b"removed", self.removed),
            (b"crews", self.crews),
            (b"removed_crews", self.removed_crews),
            (b"positions", self.positions),
            (b"notices", self.notices),
        ):
            if values:
                parts += (b',"', name, b'":[', b",".join(values), b"]")
        return b"".join(parts)


def frame_updates(
    kind: bytes, subscription: bytes, cursor: int, body: bytes, *, reset: bool = False, more: bool = False
) -> bytearray:
    """A `snapshot` or `changes` frame around a body.

    Args:
        kind: `b"snapshot"` or `b"changes"`.
        subscription: its id as JSON, with the quotation marks.
        cursor: the batch up to which the client is told everything.
        body: from `Updates.body`.
        reset: whether the client must forget what it holds.
        more: whether parts of the same whole follow.
    """
    return bytearray().join(
        (
            _ROOM,
            b'{"kind":"',
            kind,
            b'","subscription":',
            subscription,
            b',"cursor":%d' % cursor,
            b',"reset":true' if reset else b"",
            body,
            b',"more":true}' if more else b"}",
        )
    )
