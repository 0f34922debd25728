"""Intake: who calls and where, joining or opening, what newer words change, updates, repeats."""

from __future__ import annotations

import pytest

from core import limits
from core.commands import ChangePriority, Close
from core.events import Call, CallUpdate, Fix, SensorReading, VideoEvent
from core.facts import CategoryReason, CorrelateReason
from core.identify import NumberKind
from core.vocabulary import LocationSource, RejectCode
from tests.core.town import CREW_S, EASTERN, SPOT, Town, chunk, code_of
from tests.simulation.places import EAST, RULES, SUBSCRIBERS, WEST


def test_call_when_first_opens_an_incident_with_owner_needs_and_term() -> None:
    town = Town()
    incident = town.incident(town.call("fight"))
    assert (incident.category, incident.category_reason, incident.priority) == ("assault", CategoryReason.WORDS, 3)
    assert (incident.territory, incident.owner, incident.needs) == (WEST, f"desk:{WEST}", ("patrol",))
    assert incident.place is not None
    assert incident.place.text == "Abay 1"


def test_call_when_subscriber_is_known_is_named_and_placed() -> None:
    town = Town()
    call = Call(seq=1, at=town.at, phone="8 701 000 00 01", words="fight")
    decisions = town.handle(chunk("s", call), subscribers=SUBSCRIBERS)
    assert decisions is not None
    told = town.incident(1).told[0]
    assert told.caller is not None
    assert (told.caller.name, told.caller.number_kind) == ("Aliya", NumberKind.KNOWN)
    place = town.incident(1).place
    assert place is not None
    assert (place.source, place.text) == (LocationSource.SUBSCRIBER, "Abay 3")
    assert decisions.incidents[0].phone == "+77010000001"


def test_call_when_the_number_has_called_before_shows_it() -> None:
    town = Town()
    first = town.call("fight", phone="87010000005")
    town.order(Close(command_id="1", incident=first, result="over"))
    again = town.incident(town.call("fight", phone="87010000005"))
    caller = again.told[0].caller
    assert caller is not None
    assert [call.incident_id for call in caller.earlier] == [first]


@pytest.mark.parametrize(
    ("place", "address"),
    [(Fix(43.20, 76.80, 5.0), "Abay 1"), (Fix(43.2001, 76.80, 5.0), "")],
)
def test_place_when_a_house_is_there_has_its_address(place: Fix, address: str) -> None:
    town = Town()
    incident = town.incident(town.call("fight", fix=place))
    assert incident.place is not None
    assert incident.place.text == address
    assert incident.told[0].evidence == (incident.place,)


@pytest.mark.parametrize(
    ("first", "second", "category", "priority", "needs"),
    [
        ("help", "fire", "fire", 2, ("fire", "ambulance")),
        ("fight", "help", "assault", 3, ("patrol",)),
        ("fight", "shooting", "weapon", 1, ("patrol", "patrol", "ambulance")),
        ("fight", "pain", "assault", 3, ("patrol", "ambulance")),
        ("shooting", "pain", "weapon", 1, ("patrol", "patrol", "ambulance")),
        ("shooting", "gas leak", "weapon", 1, ("patrol", "patrol", "ambulance", "rescue", "fire")),
        ("pain", "fire", "fire", 2, ("fire", "ambulance")),
        ("burglar", "fight", "assault", 3, ("patrol",)),
    ],
)
def test_category_when_the_caller_says_more(
    first: str, second: str, category: str, priority: int, needs: tuple[str, ...]
) -> None:
    town = Town()
    number = town.call(first, phone="87010000005")
    assert town.call(second, fix=None, phone="87010000005") == number
    incident = town.incident(number)
    assert (incident.category, incident.priority, incident.needs) == (category, priority, needs)


def test_category_when_priority_is_fixed_changes_and_the_priority_stays() -> None:
    town = Town()
    number = town.call("fight", phone="87010000005")
    town.order(ChangePriority(command_id="1", incident=number, priority=1))
    town.call("fire", fix=None, phone="87010000005")
    incident = town.incident(number)
    assert (incident.category, incident.priority, incident.needs) == ("fire", 1, ("fire", "ambulance", "patrol"))


def test_call_update_when_better_place_comes_moves_the_incident_and_its_territory() -> None:
    town = Town()
    town.crew("P-1", "patrol", territory=EAST)
    number = town.call("fight", fix=None, cell=Fix(43.2, 76.8, 2_000.0), call_id="c")
    assert town.crews_on(number) == []
    town.say(CallUpdate(seq=town.number(), at=town.at, call_id="c", fix=EASTERN))
    incident = town.incident(number)
    assert incident.place is not None
    assert (incident.territory, incident.place.longitude_deg) == (EAST, EASTERN.longitude_deg)
    assert town.crews_on(number) == ["P-1"]
    assert len(incident.told) == 2


def test_call_update_when_worse_place_comes_keeps_it_as_evidence() -> None:
    town = Town()
    number = town.call("fight", call_id="c")
    town.say(CallUpdate(seq=town.number(), at=town.at, call_id="c", cell=Fix(43.2, 76.92, 2_000.0)))
    incident = town.incident(number)
    assert incident.territory == WEST
    assert incident.place is not None
    assert incident.place.longitude_deg == SPOT.longitude_deg
    assert incident.told[1].evidence[0].source is LocationSource.CELL


@pytest.mark.parametrize("closes", [True, False])
def test_call_update_when_no_open_incident_has_the_call_is_refused(closes: bool) -> None:
    town = Town()
    if closes:
        town.order(Close(command_id="1", incident=town.call("fight", call_id="c"), result="over"))
    update = CallUpdate(seq=town.number(), at=town.at, call_id="c", words="shooting")
    assert code_of(town.say(update).taken[0].rejected[0]) is RejectCode.UNKNOWN_CALL
    assert town.engine.state.incidents == {}


def test_call_update_when_another_source_sends_it_is_refused() -> None:
    town = Town()
    town.call("fight", call_id="c")
    update = CallUpdate(seq=town.number("t"), at=town.at, call_id="c", words="shooting")
    assert code_of(town.say(update, source="t").taken[0].rejected[0]) is RejectCode.UNKNOWN_CALL


def test_events_when_near_and_alike_are_one_incident_with_the_reason() -> None:
    town = Town()
    first = town.call("fire")
    seen = VideoEvent(seq=1, at=town.at, camera="cam-9", analytic="smoke", fix=SPOT)
    assert town.say(seen, source="cameras").taken[0].incidents == {0: first}
    assert [joined.reason for joined in town.incident(first).told] == [
        CorrelateReason.FIRST,
        CorrelateReason.NEAR_SAME_CATEGORY,
    ]


def test_sensor_when_it_repeats_itself_adds_no_line_for_a_while() -> None:
    town = Town()

    def read(value: float) -> dict[int, int]:
        event = SensorReading(seq=town.number(), at=town.at, device="dev-1", quantity="methane_percent", value=value, fix=SPOT)
        return dict(town.say(event).taken[0].incidents)

    assert read(0.5) == {}
    assert read(2.0) == {0: 1}
    assert read(2.1) == {0: 1}
    assert town.incident(1).event_count == 1
    town.wait(CREW_S)
    town.now_us += RULES.repeat_quiet_us
    assert read(2.2) == {0: 1}
    assert town.incident(1).event_count == 2


def test_incident_when_told_of_more_than_a_view_holds_lets_go_of_the_old_calls() -> None:
    town = Town()
    number = town.call("fight", call_id="c0")
    for index in range(1, limits.VIEW_EVENTS_MAX + 5):
        assert town.call("fight", call_id=f"c{index}") == number
    assert len(town.engine.state.open._by_call) == limits.VIEW_EVENTS_MAX
    for call_id, found in (("c0", True), ("c1", False), (f"c{limits.VIEW_EVENTS_MAX + 4}", True)):
        update = CallUpdate(seq=town.number(), at=town.at, call_id=call_id)
        assert bool(town.say(update).taken[0].incidents) is found
    town.order(Close(command_id="1", incident=number, result="over"))
    assert len(town.engine.state.open._by_call) == 0
