"""A batch PostgreSQL refused becomes one it takes, and nothing vanishes."""

from __future__ import annotations

import msgspec
import pytest

from core.decisions import Acknowledgement
from core.events import Rejected
from core.vocabulary import CrewId, RejectCode
from storage.refused_data import REPLACEMENT, clean
from tests.storage import samples


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (samples.plate(2), None),
        (samples.plate(2, "A\\u0000"), RejectCode.INVALID_FIELD),
        (samples.plate(2)[:-1] + b',"own":"\xff"}', RejectCode.MALFORMED),
        (samples.position(2, "A\\u0000"), None),
    ],
)
def test_clean_refuses_an_event_when_its_row_would_be(raw: bytes, code: RejectCode | None) -> None:
    chunk = samples.taken([samples.plate(1), raw])
    cleaned, refused = clean(samples.batch(1, chunk))
    assert [(one.source, one.rejected.seq, one.rejected.code) for one in refused] == ([("cams", 2, code)] if code else [])
    assert {number: item.code for number, item in cleaned.taken[0].rejected.items()} == ({1: code} if code else {})
    assert cleaned.taken[0].chunk.raws == chunk.chunk.raws


def test_clean_refuses_an_event_when_its_bytes_hold_a_nul() -> None:
    chunk = samples.taken([samples.plate(1)])
    with_nul = msgspec.structs.replace(chunk, chunk=msgspec.structs.replace(chunk.chunk, raws=[b'{"own":"\x00"}']))
    _, refused = clean(samples.batch(1, with_nul))
    assert [one.rejected.code for one in refused] == [RejectCode.MALFORMED]


def test_clean_leaves_alone_what_was_taken_or_refused_before() -> None:
    bad = samples.plate(1, "A\\u0000")
    earlier = Rejected(2, RejectCode.UNKNOWN_CREW, "$.crew", "no")
    chunk = samples.taken([bad, bad], skip=1, rejected={1: earlier})
    cleaned, refused = clean(samples.batch(1, chunk))
    assert refused == []
    assert cleaned.taken[0].rejected == {1: earlier}


def test_clean_replaces_what_cannot_be_stored_in_every_other_value() -> None:
    crew = msgspec.structs.replace(samples.crew("A"), crew_id=CrewId("A\x00"), view=b'"\xff\x00"')
    incident = msgspec.structs.replace(samples.incident(1), crews=("A\x00", "B"), phone="\ud800")
    malformed = Rejected(None, RejectCode.MALFORMED, "$.a\x00", "said \x00")
    chunk = samples.taken([b"\x00"], refused_by_codec={0: malformed})
    walking = samples.patrol("A\x00")
    cleaned, refused = clean(
        samples.batch(1, chunk, crews=[crew], incidents=[incident], entries=[samples.log(1)], patrols=[walking])
    )
    assert refused == []
    assert (cleaned.crews[0].crew_id, cleaned.crews[0].view) == (f"A{REPLACEMENT}", f'"{REPLACEMENT}{REPLACEMENT}"'.encode())
    assert (cleaned.incidents[0].crews, cleaned.incidents[0].phone) == ((f"A{REPLACEMENT}", "B"), "?")
    item = cleaned.taken[0].chunk.items[0]
    assert isinstance(item, Rejected) and (item.field, item.text) == (f"$.a{REPLACEMENT}", f"said {REPLACEMENT}")
    assert cleaned.log == [samples.log(1)]
    assert cleaned.patrols == [samples.patrol(f"A{REPLACEMENT}")]


def test_clean_loses_nothing_but_what_it_mends() -> None:
    acknowledged = [Acknowledgement("incident/1/crew", samples.NOW)]
    batch = msgspec.structs.replace(samples.batch(1, entries=[samples.log(1)]), acknowledged=acknowledged)
    assert clean(batch)[0] == batch
