"""The protocol's document says what the code does."""

from __future__ import annotations

import json
import re

import msgspec
import pytest

from protocols.ingest.codec import decode_hello, encode
from protocols.ingest.document import PROTOCOL_MD, rewritten
from protocols.ingest.message import PROTOCOL, WEBSOCKET_PATH, Framing, GoodbyeReason, Heartbeat
from protocols.ingest.session import IngestSession
from protocols.ingest.state import Offer, Send
from tests.protocols.small_centre import NOW_US

TEXT = PROTOCOL_MD.read_text(encoding="utf-8")


def test_tables_are_those_of_the_code() -> None:
    assert rewritten(TEXT) == TEXT


@pytest.mark.parametrize("broken", ["| `finished` |", "| `FRAME_MAX_BYTES` |", "| `streaming` |", "| `camera` |"])
def test_table_is_written_anew_when_a_row_was_changed(broken: str) -> None:
    assert broken in TEXT
    assert rewritten(TEXT.replace(broken, "| other |")) == TEXT


def test_every_goodbye_has_a_meaning() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]*) \| \d+ \|$", TEXT, re.MULTILINE))
    assert set(rows) == {reason.value for reason in GoodbyeReason}
    assert all(rows.values())


def test_heartbeat_is_as_shown_byte_by_byte() -> None:
    for framing in Framing:
        [shown] = re.findall(rf"^    {framing.value} +((?:[0-9A-F]{{2}} ?)+)$", TEXT, re.MULTILINE)
        assert bytes.fromhex(shown) == encode(framing, [Heartbeat()])


def test_example_conversation_happens_as_shown() -> None:
    example = TEXT.partition("(`→` source")[2].partition("A file of")[0]
    example = re.sub(r"\n {7,}", "", example)
    said = {arrow: re.findall(rf"^    {arrow} (.*)$", example, re.MULTILINE) for arrow in "→←"}
    hello, *events = (line.encode() for line in said["→"])
    session = IngestSession(NOW_US)
    session.receive_data(hello + b"\n", NOW_US)
    out = session.welcome("cam-1/7", 0, NOW_US)
    [offer] = session.receive_data(b"\n".join([*events, b""]), NOW_US)
    assert isinstance(offer, Offer)
    rejected = [item for item in offer.chunk.items if item.seq == 2]
    out += session.committed(2, rejected, NOW_US)  # type: ignore[arg-type]
    answers = b"".join(each.data for each in out if isinstance(each, Send)).decode().splitlines()
    assert list(map(json.loads, answers)) == list(map(json.loads, said["←"]))


def test_names_in_the_text_are_the_codes() -> None:
    assert f'"{PROTOCOL}"' in TEXT
    assert f"`{WEBSOCKET_PATH}`" in TEXT
    hello = re.findall(r"^    → (\{.*\"hello\".*\})$", TEXT, re.MULTILINE)
    assert decode_hello(hello[0].encode()).source == "cam-1"
    assert msgspec.json.decode(hello[0])["protocol"] == PROTOCOL
