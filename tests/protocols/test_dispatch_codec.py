"""The dispatch codec: what is accepted, what is refused and where, and frames joined from views."""

from __future__ import annotations

import json
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.commands import Accept, Split
from protocols.dispatch.codec import HEADROOM, RefusedError, Updates, decode, decode_centre, encode, frame_updates, text_of
from protocols.dispatch.message import (
    Changes,
    CommandMessage,
    ErrorCode,
    Filter,
    Goodbye,
    Heartbeat,
    Hello,
    Snapshot,
    Subscribe,
    Unsubscribe,
)

ACCEPTED = [
    (b'{"kind":"hello","protocol":"jedel-dispatch/1","token":"t"}', Hello(protocol="jedel-dispatch/1", token="t")),
    (b' {"token":"t","future":[1],"kind":"hello","protocol":"p"} ', Hello(protocol="p", token="t")),
    (b'{"kind":"subscribe","id":"map"}', Subscribe(id="map")),
    (
        b'{"kind":"subscribe","id":"m","filter":{"box":[76,43,77,44],"own":true},"max_per_s":2,"cursor":0}',
        Subscribe(id="m", filter=Filter(box=(76.0, 43.0, 77.0, 44.0), own=True), max_per_s=2.0, cursor=0),
    ),
    (b'{"kind":"unsubscribe","id":"map"}', Unsubscribe(id="map")),
    (
        b'{"kind":"command","body":{"command":"accept","command_id":"c1","incident":1,"crew":"P-1"}}',
        CommandMessage(body=Accept(command_id="c1", incident=1, crew="P-1")),
    ),
    (
        b'{"kind":"command","body":{"command":"split","command_id":"c1","incident":1,"events":["s/1"]}}',
        CommandMessage(body=Split(command_id="c1", incident=1, events=("s/1",))),
    ),
    (b'{"kind":"heartbeat"}', Heartbeat()),
    (b'{"kind":"goodbye"}', Goodbye()),
]


@pytest.mark.parametrize(("payload", "expected"), ACCEPTED)
def test_message_is_decoded(payload: bytes, expected: object) -> None:
    assert decode(payload) == expected


class Bad(NamedTuple):
    payload: bytes
    code: ErrorCode
    field: str
    ref: str = ""


_MALFORMED, _FIELD, _KIND = ErrorCode.MALFORMED, ErrorCode.INVALID_FIELD, ErrorCode.UNKNOWN_KIND
BAD = [
    Bad(b"", _MALFORMED, "$"),
    Bad(b"{", _MALFORMED, "$"),
    Bad(b"\xff\xfe", _MALFORMED, "$"),
    Bad(b'{"kind":"hello","protocol":"\xff","token":"t"}', _MALFORMED, "$"),
    Bad(b'{"kind":"heartbeat"} {}', _MALFORMED, "$"),
    Bad(b"[" * 100_000, _FIELD, "$"),
    Bad(b'{"kind":"heartbeat","x":' + b"[" * 100_000, _MALFORMED, "$"),
    Bad(b"[]", _FIELD, "$"),
    Bad(b"null", _FIELD, "$"),
    Bad(b"{}", _FIELD, "$"),
    Bad(b'{"kind":"dance","id":"d"}', _KIND, "$.kind", "d"),
    Bad(b'{"kind":7}', _FIELD, "$.kind"),
    Bad(b'{"kind":"hello","protocol":"p"}', _FIELD, "$"),
    Bad(b'{"kind":"hello","protocol":"p","token":1}', _FIELD, "$.token"),
    Bad(b'{"kind":"subscribe","id":""}', _FIELD, "$.id"),
    Bad(b'{"kind":"subscribe","id":"m","cursor":-1}', _FIELD, "$.cursor", "m"),
    Bad(b'{"kind":"subscribe","id":"m","max_per_s":0}', _FIELD, "$.max_per_s", "m"),
    Bad(b'{"kind":"subscribe","id":"m","filter":{"box":[1,2,3]}}', _FIELD, "$.filter.box", "m"),
    Bad(b'{"kind":"subscribe","id":"m","filter":{"box":[1,2,3,91]}}', _FIELD, "$.filter.box[3]", "m"),
    Bad(b'{"kind":"subscribe","id":"m","filter":{"box":[1,2,3,NaN]}}', _MALFORMED, "$"),
    Bad(b'{"kind":"subscribe","id":"m","filter":{"territories":[]}}', _FIELD, "$.filter.territories", "m"),
    Bad(b'{"kind":"subscribe","id":"m","filter":{"crews":["P-1",2]}}', _FIELD, "$.filter.crews[1]", "m"),
    Bad(b'{"kind":"subscribe","id":"m","filter":{"priorities":10}}', _FIELD, "$.filter.priorities", "m"),
    Bad(b'{"kind":"command","body":{"command":"explode","command_id":"c1"}}', _KIND, "$.body.command", "c1"),
    Bad(
        b'{"kind":"command","body":{"command":"accept","command_id":"c1","incident":0,"crew":"P"}}',
        _FIELD,
        "$.body.incident",
        "c1",
    ),
    Bad(b'{"kind":"command","body":{"command":"close","command_id":"c1","incident":1}}', _FIELD, "$.body", "c1"),
    Bad(
        rb'{"kind":"command","body":{"command":"add_note","command_id":"c1","incident":1,"words":"a\u0000b"}}',
        _FIELD,
        "$.body.words",
        "c1",
    ),
    Bad(rb'{"kind":"subscribe","id":"m","filter":{"crews":["P-1","\u0000"]}}', _FIELD, "$.filter.crews[...]", "m"),
]


def test_backslash_before_a_u_and_zeros_is_no_nul() -> None:
    decode(rb'{"kind":"subscribe","id":"\\u0000"}')


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.payload[:70].decode("latin-1"))
def test_bad_message_is_refused_with_its_field(case: Bad) -> None:
    with pytest.raises(RefusedError) as caught:
        decode(case.payload)
    refused = caught.value
    assert (refused.code, refused.field, refused.ref) == (case.code, case.field, case.ref)
    assert refused.text


@given(
    st.one_of(
        st.binary(max_size=200),
        st.recursive(st.none() | st.integers() | st.text() | st.floats(), st.lists).map(json.dumps).map(str.encode),
    )
)
def test_any_bytes_give_a_message_or_the_one_error(payload: bytes) -> None:
    try:
        decode(payload)
    except RefusedError as refused:
        assert refused.field.startswith("$")


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)


@given(
    st.fixed_dictionaries(
        {"kind": st.sampled_from(["hello", "subscribe", "unsubscribe", "command", "heartbeat", "goodbye", "?"]), "id": _json},
        optional={"filter": _json, "body": _json, "cursor": _json, "token": _json, "max_per_s": _json, "protocol": _json},
    )
)
def test_any_object_gives_a_message_or_the_one_error(value: dict[str, object]) -> None:
    try:
        decode(json.dumps(value).encode())
    except RefusedError as refused:
        assert refused.code in ErrorCode


def test_frame_of_updates_is_the_message_it_says() -> None:
    updates = Updates()
    assert (
        frame_updates(b"changes", b'"m"', 7, updates.body())[HEADROOM:] == b'{"kind":"changes","subscription":"m","cursor":7}'
    )
    updates.add(updates.incidents, b'{"incident_id":1}')
    updates.add(updates.incidents, b'{"incident_id":2}')
    updates.add(updates.removed, b"3")
    updates.add(updates.removed_crews, b'"P-1"')
    body = updates.body()
    assert updates.size == len(b'{"incident_id":1}{"incident_id":2}3"P-1"') + 4
    assert decode_centre(text_of(frame_updates(b"changes", b'"m"', 7, body, more=True))) == Changes(
        subscription="m",
        cursor=7,
        incidents=(msgspec.Raw(b'{"incident_id":1}'), msgspec.Raw(b'{"incident_id":2}')),
        removed=(3,),
        removed_crews=("P-1",),
        more=True,
    )
    snapshot = decode_centre(text_of(frame_updates(b"snapshot", b'"m"', 7, b"", reset=True)))
    assert snapshot == Snapshot(subscription="m", cursor=7, reset=True)


def test_encode_leaves_headroom() -> None:
    frame = encode(Goodbye(reason="bye"))
    assert frame[:HEADROOM] == bytes(HEADROOM)
    assert text_of(frame) == b'{"kind":"goodbye","reason":"bye"}'
