"""W3C trace contexts: the cases of the W3C's own test suite, and that no text at all is a fault."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.trace import STATE_MAX, TraceContext, read_state, read_trace

TRACE_ID = "12345678901234567890123456789012"
PARENT_ID = "1234567890123456"
GOOD = f"00-{TRACE_ID}-{PARENT_ID}-01"


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        (GOOD, 1),
        (f"00-{TRACE_ID}-{PARENT_ID}-00", 0),
        (f"00-{TRACE_ID}-{PARENT_ID}-03", 3),
        (f"00-{TRACE_ID}-{PARENT_ID}-ff", 3),
        # Blanks around a header's value are none of it.
        *((text, 1) for text in (f" {GOOD}", f"\t{GOOD}", f"{GOOD} ", f"{GOOD}\t", f"\t {GOOD} \t")),
        # A future version, with the same beginning.
        (f"cc-{TRACE_ID}-{PARENT_ID}-01", 1),
        (f"cc-{TRACE_ID}-{PARENT_ID}-03", 1),
        (f"cc-{TRACE_ID}-{PARENT_ID}-01-what-the-future-will-be-like", 1),
    ],
)
def test_good_traceparent_is_read(text: str, flags: int) -> None:
    found = read_trace(text)
    assert found == TraceContext(TRACE_ID, PARENT_ID, flags)
    assert found.traceparent == f"00-{TRACE_ID}-{PARENT_ID}-{flags:02x}"
    assert found.is_sampled == bool(flags & 1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"{GOOD}.",
        f"{GOOD}-what-the-future-will-be-like",
        f"cc-{TRACE_ID}-{PARENT_ID}-01.what-the-future-will-be-like",
        f"ff-{TRACE_ID}-{PARENT_ID}-01",
        f".0-{TRACE_ID}-{PARENT_ID}-01",
        f"0.-{TRACE_ID}-{PARENT_ID}-01",
        f"000-{TRACE_ID}-{PARENT_ID}-01",
        f"0000-{TRACE_ID}-{PARENT_ID}-01",
        f"0-{TRACE_ID}-{PARENT_ID}-01",
        f"00-{'0' * 32}-{PARENT_ID}-01",
        f"00-.{TRACE_ID[1:]}-{PARENT_ID}-01",
        f"00-{TRACE_ID[:-1]}.-{PARENT_ID}-01",
        f"00-{TRACE_ID}3-{PARENT_ID}-01",
        f"00-{TRACE_ID[:-1]}-{PARENT_ID}-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"00-{TRACE_ID}-.{PARENT_ID[1:]}-01",
        f"00-{TRACE_ID}-{PARENT_ID[:-1]}.-01",
        f"00-{TRACE_ID}-{PARENT_ID}7-01",
        f"00-{TRACE_ID}-{PARENT_ID[:-1]}-01",
        f"00-{TRACE_ID}-{PARENT_ID}-.0",
        f"00-{TRACE_ID}-{PARENT_ID}-0.",
        f"00-{TRACE_ID}-{PARENT_ID}-001",
        f"00-{TRACE_ID}-{PARENT_ID}-1",
        f"00-{'ABCDEF' + TRACE_ID[6:]}-{PARENT_ID}-01",
        f"{GOOD}\n",
        f"٠٠-{TRACE_ID}-{PARENT_ID}-01",
        f"cc-{TRACE_ID}-{PARENT_ID}-01-{'x' * 10_000}",
    ],
)
def test_bad_traceparent_is_as_if_there_were_none(text: str) -> None:
    assert read_trace(text, "foo=1") is None


@pytest.mark.parametrize("value", [None, 5, 1.5, True, [GOOD], {"traceparent": GOOD}])
def test_what_is_no_text_is_as_if_there_were_none(value: object) -> None:
    assert read_trace(value) is None
    context = read_trace(GOOD, value)
    assert context is not None
    assert context.state == ""


KEY = "abcdefghijklmnopqrstuvwxyz0123456789_-*/"
VALUE = "".join(map(chr, [*range(0x20, 0x2C), *range(0x2D, 0x3D), *range(0x3E, 0x7F)]))
THIRTY_TWO = ",".join(f"bar{number:02}={number:02}" for number in range(1, 33))


@pytest.mark.parametrize(
    ("text", "passed_on"),
    [
        ("foo=1", "foo=1"),
        ("foo=1,bar=2", "foo=1,bar=2"),
        ("foo=1 \t , \t bar=2, \t baz=3", "foo=1,bar=2,baz=3"),
        ("foo=1\t \t,\t \tbar=2,\t \tbaz=3", "foo=1,bar=2,baz=3"),
        (" foo=1", "foo=1"),
        ("\t foo=1 \t", "foo=1"),
        ("foo=1,", "foo=1"),
        (",foo=1", "foo=1"),
        (f"{KEY}={VALUE}", f"{KEY}={VALUE}"),
        (f"{KEY}@a-z0-9_-*/={VALUE}", f"{KEY}@a-z0-9_-*/={VALUE}"),
        ("t" * 241 + "@" + "v" * 14 + "=1", "t" * 241 + "@" + "v" * 14 + "=1"),
        ("z" * 256 + "=1", "z" * 256 + "=1"),
        (THIRTY_TWO, THIRTY_TWO),
        # Nothing, and what breaks the grammar, is left out as a whole.
        ("", ""),
        (",", ""),
        ("foo=1,foo=1", ""),
        ("foo=1,foo=2", ""),
        ("foo =1", ""),
        ("FOO=1", ""),
        ("foo.bar=1", ""),
        ("foo@=1,bar=2", ""),
        ("@foo=1,bar=2", ""),
        ("foo@@bar=1,bar=2", ""),
        ("foo@bar@baz=1,bar=2", ""),
        ("foo=1," + "z" * 257 + "=1", ""),
        ("foo=1," + "t" * 242 + "@v=1", ""),
        ("foo=1,t@" + "v" * 15 + "=1", ""),
        (f"{THIRTY_TWO},bar33=33", ""),
        ("foo=bar=baz", ""),
        ("foo=,bar=3", ""),
        ("foo=ж", ""),
    ],
)
def test_tracestate_is_passed_on_or_left_out_as_a_whole(text: str, passed_on: str) -> None:
    context = read_trace(GOOD, text)
    assert context is not None
    assert context.state == passed_on


def test_tracestate_that_is_too_long_loses_its_large_members_and_then_its_last() -> None:
    large = f"large={'x' * 200}"
    small = [f"k{number}={'x' * 90}" for number in range(4)]
    assert read_state(",".join([large, *small])) == ",".join(small)
    many = [f"k{number}={'x' * 90}" for number in range(8)]
    assert read_state(",".join(many)) == ",".join(many[:5])


@given(traceparent=st.one_of(st.text(), st.from_regex(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}.*")), state=st.text())
def test_any_text_is_read_or_none_and_what_is_passed_on_is_read_again(traceparent: str, state: str) -> None:
    found = read_trace(traceparent, state)
    if found is not None:
        assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[0-3]", found.traceparent)
        assert read_trace(found.traceparent, found.state) == found
        assert len(found.state) <= STATE_MAX


@given(
    st.lists(
        st.tuples(st.from_regex(r"[a-z][a-z0-9]{0,9}", fullmatch=True), st.integers(1, 256)),
        max_size=32,
        unique_by=lambda one: one[0],
    )
)
def test_good_states_are_bounded_and_keep_their_order(members: list[tuple[str, int]]) -> None:
    given_members = [f"{key}={'v' * length}" for key, length in members]
    passed_on = read_state(",".join(given_members))
    assert len(passed_on) <= STATE_MAX
    kept = passed_on.split(",") if passed_on else []
    assert [member for member in given_members if member in kept] == kept
    if len(",".join(given_members)) <= STATE_MAX:
        assert kept == given_members
