"""Crews that somebody must be told of by every channel: once, over restarts, and no more when the reason is gone."""

from __future__ import annotations

import msgspec
import pytest

from core.commands import AcknowledgeCrew, HandOver
from core.decisions import Decisions
from core.events import Position
from core.instant import SECOND_US
from core.plausible import PlausibleRules
from core.signal import SignalRules
from core.telling import VALUES, Happened, Telling
from core.vocabulary import CrewId
from tests.core.test_duty_watch import HOUR, load, shift
from tests.core.town import DONE, EASTERN, QUIET, SPOT, Town
from tests.simulation.places import EAST, RULES, WEST

LISTENING = msgspec.structs.replace(RULES, signal=SignalRules(stale_us=100 * SECOND_US, lost_us=300 * SECOND_US))


def tellings(town: Town, happened: Happened) -> list[Telling]:
    return [one for each in town.committed.decisions for one in each.tellings if one.template is happened]


def withdrawn(decisions: Decisions | None) -> list[str]:
    """Prefixes of what is withdrawn; each stands in the centre's log as well, for a process that comes after."""
    if decisions is None:
        return []
    logged = [msgspec.json.decode(one.body)["prefix"] for one in decisions.centre_log if one.fact == "telling_withdrawn"]
    assert [one.prefix for one in decisions.acknowledged] == logged
    return logged


def hear(town: Town, crew: str) -> Decisions:
    event = Position(seq=town.number("gps"), at=town.at, crew=crew, latitude_deg=43.2, longitude_deg=76.8)
    return town.say(event, source="gps")


def restart(town: Town) -> Town:
    again = Town(rules=LISTENING, recovered=town.committed.recovered(), now_us=town.now_us)
    again.committed, again._seqs = town.committed, town._seqs
    again.handle()
    return again


@pytest.mark.parametrize("restarts", [False, True], ids=["one_life", "restart"])
def test_lost_crew_is_told_of_once_and_withdrawn_when_it_is_heard(restarts: bool) -> None:
    town = Town(rules=LISTENING)
    town.crew("P/1", "patrol", territory=WEST)
    town.wait(100)
    town.wait(200)
    (telling,) = tellings(town, Happened.SIGNAL_LOST)
    assert telling.key == f"crew/P%2F1/signal_lost/{town.now_us}/{town.committed.batch_no}"
    assert (telling.to, telling.territory, telling.incident_id, telling.priority) == ("shift_lead", WEST, None, 4)
    assert telling.values == {"crew": "P/1", "minutes": "5"} and set(telling.values) == set(VALUES[telling.template])
    if restarts:
        town = restart(town)
    town.wait(1000)
    assert len(tellings(town, Happened.SIGNAL_LOST)) == 1
    assert withdrawn(hear(town, "P/1")) == ["crew/P%2F1/signal_lost", "crews/kz%2Ftown%2Fwest/signal_lost"]
    assert withdrawn(hear(town, "P/1")) == []
    town.wait(100)
    town.wait(200)
    assert len({one.key for one in tellings(town, Happened.SIGNAL_LOST)}) == 2, "every loss is told"


def test_lost_crew_that_works_is_told_of_at_any_hour_with_its_incident() -> None:
    town = Town(rules=LISTENING)
    town.crew("P-1", "patrol")
    incident = town.call("fight")
    town.status("P-1", "on_scene")
    town.wait(100)
    town.wait(200)
    assert [(one.incident_id, one.priority) for one in tellings(town, Happened.SIGNAL_LOST)] == [(incident, 2)]


def test_lost_crew_that_goes_off_duty_is_nobody_s_concern() -> None:
    town = Town(rules=LISTENING)
    town.crew("P-1", "patrol")
    town.wait(100)
    town.wait(200)
    town.status("P-1", "off_duty")
    assert withdrawn(town.committed.decisions[-1]) == ["crew/P-1/signal_lost", "crews//signal_lost"]


def test_many_lost_crews_are_one_telling_a_territory_until_the_last_is_heard() -> None:
    town = Town(rules=LISTENING)
    for number in range(15):
        town.crew(f"P-{number:02}", "patrol", territory=WEST if number < 12 else EAST)
    town.wait(100)
    town.wait(200)
    told = {one.territory: one.values["crew"] for one in tellings(town, Happened.SIGNAL_LOST)}
    assert told == {
        EAST: "P-12, P-13, P-14",
        WEST: "P-00, P-01, P-02, P-03, P-04, P-05, P-06, P-07, P-08, P-09 … (12)",
    }
    together = [withdrawn(hear(town, f"P-{number:02}"))[1:] for number in (12, 13, 14)]
    assert together == [[], [], ["crews/kz%2Ftown%2Feast/signal_lost"]]


@pytest.mark.parametrize("restarts", [False, True], ids=["one_life", "restart"])
def test_crew_that_does_not_come_is_told_of_once_and_withdrawn_when_it_comes(restarts: bool) -> None:
    shifts = (shift("P-1", 100, HOUR, "patrol", territory=WEST), shift("P-2", 100, HOUR, "patrol"))
    town = Town()
    load(town, *shifts)
    town.wait(100)
    town.status("P-2", "free")
    assert withdrawn(town.committed.decisions[-1]) == [], "it is in time: nothing was told of it"
    town.wait(600)
    (telling,) = tellings(town, Happened.DUTY_NOT_BEGUN)
    assert telling.key == f"crew/P-1/duty_not_begun/{town.now_us - 600 * SECOND_US}"
    assert (telling.territory, telling.values) == (WEST, {"crew": "P-1", "minutes": "10"})
    if restarts:
        town = restart(town)
        load(town, *shifts)
        town.wait(30)
    town.status("P-1", "free")
    assert withdrawn(town.committed.decisions[-1]) == ["crew/P-1/duty_not_begun", "crews/kz%2Ftown%2Fwest/duty_not_begun"]
    assert len(tellings(town, Happened.DUTY_NOT_BEGUN)) == 1


def test_shift_that_does_not_come_at_all_is_one_telling() -> None:
    town = Town()
    load(town, *(shift(f"P-{number:02}", 0, HOUR, "patrol") for number in range(11)))
    town.wait(600)
    (telling,) = tellings(town, Happened.DUTY_NOT_BEGUN)
    assert telling.values["crew"].endswith("… (11)")
    town.status("P-01", "free")
    assert withdrawn(town.committed.decisions[-1]) == ["crew/P-01/duty_not_begun"], "ten are missing still"


def test_two_devices_under_one_call_sign_are_told_of_once_an_hour() -> None:
    town = Town(rules=msgspec.structs.replace(QUIET, plausible=PlausibleRules()))
    town.crew("P-1", "patrol")
    for number in range(600):
        town.now_us += 10 * SECOND_US
        fix = SPOT if number % 2 else EASTERN
        at = Position(
            seq=town.number("gps"), at=town.at, crew="P-1", latitude_deg=fix.latitude_deg, longitude_deg=fix.longitude_deg
        )
        town.say(at, source="gps")
        if number == 100:
            town = restart(town)
    keys = [one.key for one in tellings(town, Happened.TWO_POSITIONS)]
    assert keys and set(keys) <= {f"crew/P-1/two_positions/{town.now_us // (HOUR * SECOND_US) - ago}" for ago in range(3)}


def test_crew_that_somebody_has_in_hand_is_told_of_no_more() -> None:
    town = Town(rules=LISTENING)
    town.crew("P-1", "patrol")
    town.wait(100)
    town.wait(200)
    assert town.order(AcknowledgeCrew(command_id="a", crew="P-1")) == DONE
    decisions = town.committed.decisions[-1]
    assert withdrawn(decisions) == ["crew/P-1"]
    assert [one.actor for one in decisions.centre_log] == ["operator:a"]
    assert town.engine.state.crews[CrewId("P-1")].is_silent, "it is still not heard"
    assert town.order(AcknowledgeCrew(command_id="b", crew="P-9")) == (False, "unknown_crew")


def test_hand_over_is_told_by_every_channel_once() -> None:
    town = Town()
    town.call("fight")
    town.call("burglar", fix=EASTERN)
    command = HandOver(command_id="h", territory=WEST, to="Aigul S.")
    assert town.order(command, "operator:lead") == DONE
    assert town.order(command, "operator:lead") == DONE
    (telling,) = tellings(town, Happened.SHIFT_HANDOVER)
    assert (telling.key, telling.to, telling.territory) == ("centre/command:h", "shift_lead", WEST)
    assert telling.values == {"gives": "lead", "takes": "Aigul S.", "open": "1"}
