"""What a source has to say: as often as the plan says, each event with the instant at which it is due, and none is left out."""

from __future__ import annotations

from itertools import pairwise

import pytest

from core.events import Call, CallUpdate
from loadtest.city import City
from loadtest.happening import Rates
from loadtest.locust_users.plan import FLAT, Profile, Timeline
from loadtest.locust_users.teller import Due, StreamTeller, Teller, due_of

START_US = 1_767_225_600_000_000
SECONDS = 20.0
CITY = City(3, districts=3, streets=16, crews=10, cameras=60, subscribers=500)
RATES = Rates(happenings=20.0, panels=2.0, plates=100.0, readings=50.0, analytics=0.5)


def told(profile: Profile, step_us: int, rates: Rates = RATES, kind: type[Teller | StreamTeller] = Teller) -> list[Due]:
    """Everything a source says in a run whose caller comes by every `step_us`."""
    teller = kind(CITY, rates, Timeline(profile, SECONDS), 1, START_US)
    end_us = START_US + round(SECONDS * 1e6)
    return [due for now_us in range(START_US, end_us + 3 * step_us, step_us) for due in teller.until(now_us)]


PLATES = Rates(happenings=0.0, panels=0.0, plates=200.0, readings=0.0, analytics=0.0)


@pytest.mark.parametrize("step_us", [5_000, 333_333, 25_000_000])
@pytest.mark.parametrize(("teller", "rates"), [(Teller, RATES), (StreamTeller, PLATES)])
def test_events_are_due_in_order_within_the_run(step_us: int, teller: type[Teller | StreamTeller], rates: Rates) -> None:
    events = told(FLAT, step_us, rates, teller)
    assert all(a.due_us <= b.due_us for a, b in pairwise(events))
    assert all(START_US <= due_us <= START_US + SECONDS * 1e6 for due_us, _ in events)


@pytest.mark.parametrize(("teller", "rates"), [(Teller, RATES), (StreamTeller, PLATES)])
def test_who_comes_late_is_given_everything_that_was_due_meanwhile(teller: type[Teller | StreamTeller], rates: Rates) -> None:
    """An open loop: a centre that stalls gets no fewer events for it."""
    often, once = told(FLAT, 5_000, rates, teller), told(FLAT, 25_000_000, rates, teller)
    assert [type(event) for _, event in often] == [type(event) for _, event in once]
    # The timeline is straight, so not even the instants depend on who asked when, but for rounding.
    assert all(abs(a.due_us - b.due_us) <= 2 for a, b in zip(often, once, strict=True))


@pytest.mark.parametrize("teller", [Teller, StreamTeller])
def test_events_come_where_the_profile_is_high(teller: type[Teller | StreamTeller]) -> None:
    events = told(((0.0, 0.0), (0.5, 0.0), (0.6, 2.0), (1.0, 2.0)), 5_000, PLATES, teller)
    at_s = [(due_us - START_US) / 1e6 for due_us, _ in events]
    assert min(at_s) > 10.0
    # 200 a second over 2 s of a rise to twice as many, and 8 s of twice as many.
    assert len(events) == pytest.approx(200 * (2.0 + 16.0), rel=0.1)
    rise = sum(10.0 <= at < 12.0 for at in at_s)
    assert rise == pytest.approx(200 * 2.0, rel=0.25)


def test_a_call_tells_when_it_was_due_and_its_updates_name_it() -> None:
    events = told(FLAT, 5_000)
    calls = {event.call_id: due_us for due_us, event in events if isinstance(event, Call)}
    updates = [event.call_id for _, event in events if isinstance(event, CallUpdate)]
    assert calls
    assert updates
    assert all(due_of(f"some-source/{call_id}") == due_us for call_id, due_us in calls.items())
    assert set(updates) <= calls.keys()


@pytest.mark.parametrize("call", ["", "platform/T17", "platform/@", "platform/T17@x", "a@1/b"])
def test_a_call_of_somebody_else_tells_no_instant(call: str) -> None:
    assert due_of(call) is None
