"""Callers: known, unknown and unnamed; the window of earlier calls, also against a plain list."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.identify import CALLS_SHOWN, Caller, EarlierCalls, NumberKind, identify
from core.instant import Micros
from core.ports import Subscriber
from core.recovered import EarlierCall

PHONE = "+77012345678"
SUBSCRIBER = Subscriber(
    phone=PHONE, name="Айгүл Сериккызы", line="landline", address="Абая 10", latitude_deg=43.24, longitude_deg=76.9
)


def call(phone: str, at_us: int, incident_id: int) -> EarlierCall:
    return EarlierCall(phone=phone, at_us=Micros(at_us), incident_id=incident_id)


def test_identify_when_subscriber_is_registered() -> None:
    earlier = (call(PHONE, 5, 1),)
    assert identify("8 701 234 56 78", SUBSCRIBER, earlier) == Caller(
        number_kind=NumberKind.KNOWN,
        as_given="8 701 234 56 78",
        e164=PHONE,
        name="Айгүл Сериккызы",
        line="landline",
        address="Абая 10",
        latitude_deg=43.24,
        longitude_deg=76.9,
        earlier=earlier,
    )


@pytest.mark.parametrize(
    ("text", "kind", "e164"),
    [
        ("87012345678", NumberKind.UNKNOWN, PHONE),
        ("", NumberKind.WITHHELD, ""),
        ("скрыт", NumberKind.WITHHELD, ""),
        ("112", NumberKind.SHORT, ""),
        ("2500000", NumberKind.LOCAL, ""),
        ("+7701", NumberKind.MALFORMED, ""),
    ],
)
def test_identify_when_no_subscriber(text: str, kind: NumberKind, e164: str) -> None:
    assert identify(text, None, ()) == Caller(number_kind=kind, as_given=text, e164=e164)


def test_identify_when_subscriber_is_anothers() -> None:
    with pytest.raises(ValueError, match=r"\+77012345678 given for a call of \+77010000000"):
        identify("+77010000000", SUBSCRIBER, ())


def test_caller_when_encoded_leaves_out_what_is_unknown() -> None:
    encoded = msgspec.json.encode(identify("", None, ()))
    assert encoded == b'{"number_kind":"withheld"}'
    known = identify(PHONE, SUBSCRIBER, (call(PHONE, 5, 1),))
    assert msgspec.json.decode(msgspec.json.encode(known), type=Caller) == known


def test_find_when_calls_are_recorded_newest_first() -> None:
    earlier = EarlierCalls(window_us=100)
    for at_us in range(8):
        earlier.record(PHONE, Micros(at_us), at_us + 10)
    found = earlier.find(PHONE, 8)
    assert [seen.at_us for seen in found] == [7, 6, 5, 4, 3]
    assert [seen.incident_id for seen in found] == [17, 16, 15, 14, 13]
    assert earlier.find("+77010000000", 8) == ()


def test_find_when_sources_clocks_differ() -> None:
    earlier = EarlierCalls(window_us=100)
    for at_us in (50, 40, 60):
        earlier.record(PHONE, Micros(at_us), at_us)
    assert [seen.at_us for seen in earlier.find(PHONE, 60)] == [60, 50, 40]


def test_find_when_window_has_passed() -> None:
    earlier = EarlierCalls(window_us=100)
    earlier.record(PHONE, Micros(0), 1)
    earlier.record("+77010000000", Micros(1), 2)
    assert len(earlier.find(PHONE, 100)) == 1
    assert earlier.find(PHONE, 101) == ()
    assert len(earlier) == 1
    assert len(earlier.find("+77010000000", 101)) == 1


def test_record_when_number_is_empty_keeps_nothing() -> None:
    earlier = EarlierCalls()
    earlier.record("", Micros(1), 1)
    assert len(earlier) == 0
    assert earlier.find("", 1) == ()


def test_record_when_full_forgets_the_longest_silent() -> None:
    earlier = EarlierCalls(window_us=1000, max_numbers=2)
    earlier.record("+1", Micros(1), 1)
    earlier.record("+2", Micros(2), 2)
    earlier.record("+1", Micros(3), 3)
    earlier.record("+3", Micros(4), 4)
    assert [len(earlier.find(phone, 4)) for phone in ("+1", "+2", "+3")] == [2, 0, 1]


@given(
    st.lists(st.tuples(st.sampled_from(["+1", "+2", "+3"]), st.integers(0, 40)), max_size=40),
    st.integers(0, 50),
)
def test_find_when_times_rise_equals_a_plain_list(steps: list[tuple[str, int]], window_us: int) -> None:
    earlier = EarlierCalls(window_us=window_us)
    plain: list[EarlierCall] = []
    now_us = 0
    for number, (phone, pause_us) in enumerate(steps):
        now_us += pause_us
        expected = [seen for seen in reversed(plain) if seen.phone == phone and seen.at_us >= now_us - window_us]
        assert list(earlier.find(phone, now_us)) == expected[:CALLS_SHOWN]
        earlier.record(phone, Micros(now_us), number)
        plain.append(call(phone, now_us, number))
