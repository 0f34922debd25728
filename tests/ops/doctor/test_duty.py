"""Gaps of the roster, routes that nobody walks, and roles that nobody holds are found by day."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.patrol import PatrolRoute, RouteId
from core.people_file import read_people
from core.roster.model import Place, PlaceKind, Shift, roster_of
from core.scenario import ScenarioSet
from core.timetable import DAYS, Day, Timetable
from core.timetable import Shift as RouteShift
from core.vocabulary import CrewId
from ops.cli import main
from ops.config import Centre, Channels, Config
from ops.doctor import duty, policy
from tests.core.roster.samples import at, shift
from tests.ops.doctor.worlds import PEOPLE, has, look, said, world

ZONE = "Asia/Almaty"


def roster_lines(*shifts: Shift, hours: float = 0, places: tuple[Place, ...] = ()) -> list[str]:
    return said(duty.judge_roster(roster_of(list(shifts), list(places)), at(hours), ZONE))


def test_roster_without_a_gap_is_fine() -> None:
    lines = roster_lines(shift("A-1", -4, 8), shift("A-2", 8, 20), shift("A-3", 20, 32))
    assert lines == ["ok: 1 crews on the roster now, 3 shifts in the next day, no gap"]


def test_gaps_are_told_by_the_centre_s_clock() -> None:
    lines = roster_lines(shift("A-1", 8, 20), shift("A-2", 9, 12))
    assert has(lines, "warning:", "from 2026-11-27 00:00 to 2026-11-27 08:00", "roster show --at 2026-11-27T00:00")
    assert has(lines, "from 2026-11-27 20:00 to 2026-11-28 00:00")
    assert len(lines) == 2


def test_roster_that_has_nobody_is_a_fault() -> None:
    assert has(roster_lines(), "fault: the roster has nobody", "jedel roster import")


def test_post_without_a_shift_is_told() -> None:
    post = Place(kind=PlaceKind.POST.value, name="Bank", territory="kz/almaty")
    lines = roster_lines(shift("A-1", 0, 24, post="Arbat"), places=(post,))
    assert has(lines, "warning: no shift in the next day at Bank")


def test_database_without_a_roster_is_told_and_with_one_is_read(database: str, tmp_path: Path) -> None:
    assert has(look(duty.check_roster, world(dsn=database)), "warning: no roster", "jedel roster import")
    file = tmp_path / "duty.csv"
    today = f"{datetime.now(UTC):%d.%m.%Y}"
    file.write_text(
        f"Дата;Позывной;с;по;Территория;Назначение;ФИО\n{today};A-1;00:00;00:00;kz/almaty;patrol;Ахметов А.\n", encoding="utf-8"
    )
    assert main(["roster", "import", str(file), "--dsn", database]) == 0
    assert "no roster" not in " ".join(look(duty.check_roster, world(dsn=database)))


def route(crews: tuple[str, ...] | None, *, days: tuple[Day, ...] = DAYS) -> PatrolRoute:
    shifts = (RouteShift(days=days, begins="08:00", ends="20:00"),)
    return PatrolRoute(
        route_id=RouteId("abay"),
        name="Abay",
        width_m=50,
        timetable=Timetable(zone=ZONE, shifts=shifts),
        crews=None if crews is None else tuple(map(CrewId, crews)),
        wkb=b"",
    )


def patrol_lines(one: PatrolRoute, *shifts: Shift) -> list[str]:
    return said(duty.judge_patrols([one], list(shifts), frozenset({"P-1"}), at(0)))


def test_route_is_fine_with_a_crew_that_is_known_or_rostered() -> None:
    assert patrol_lines(route(("P-1",))) == ["ok: 1 patrol routes, 1 walked in the next day"]
    assert patrol_lines(route(None), shift("A-1", 8, 20, route="Abay")) == ["ok: 1 patrol routes, 1 walked in the next day"]


def test_route_that_nobody_can_walk_is_told() -> None:
    assert has(patrol_lines(route(("P-9", "P-1"))), "warning: route Abay: crews P-9 were never heard of", "patrol import")
    assert has(patrol_lines(route(None), shift("A-1", 8, 20)), "warning: route Abay: no shift of the roster names it")


def test_route_that_is_not_walked_today_is_not_asked_for_a_crew() -> None:
    # 27 November 2026 is a Friday.
    assert patrol_lines(route(None, days=("sun",))) == ["ok: 1 patrol routes, 0 walked in the next day"]


def test_database_without_routes_has_nothing_to_watch(database: str) -> None:
    assert look(duty.check_patrols, world(dsn=database)) == ["ok: no patrol routes: nothing is watched"]


def test_role_that_nobody_holds_is_a_fault_and_a_gap_a_warning() -> None:
    people = read_people(PEOPLE, "people.toml")
    lines = said(list(duty.judge_duty(people, ["shift_lead", "technician"], "kz/almaty/medeu", at(12), ZONE)))
    assert has(lines, "warning: shift_lead in kz/almaty/medeu: nobody would be told from about 2026-11-27 20:00, for 12 h")
    assert has(lines, "fault: technician in kz/almaty/medeu: nobody would be told now (not_known)", "centre.people")
    off = said(list(duty.judge_duty(people, ["shift_lead"], "kz/almaty", at(22), ZONE)))
    assert has(off, "fault: shift_lead in kz/almaty: nobody would be told now (off_duty)")


@pytest.mark.parametrize(
    ("channels", "ways", "parts"),
    [
        (Channels(), '"dispatch", "sms:+77010000001"', ("warning: aida: not reached by sms", "channels.sms_server")),
        (Channels(), '"mail:a@b.kz"', ("fault: aida: reached by mail only, which has no server", "channels.mail_server")),
        (Channels(sms_server="h:1", sms_system_id="a", sms_from="1"), '"sms:+77010000001"', ()),
    ],
)
def test_channel_without_a_server_is_told(channels: Channels, ways: str, parts: tuple[str, ...]) -> None:
    people = read_people(PEOPLE.replace('"dispatch", "sms:+77010000001"', ways), "people.toml")
    lines = said(list(duty.judge_ways(people, channels)))
    assert has(lines, *parts) if parts else lines == []


def test_everybody_whom_the_shipped_scenarios_tell_is_asked_for() -> None:
    assert duty.recipients(policy.scenarios_of(Config())) == ["duty_officer", "level_above", "shift_lead"]


def test_file_of_people_is_read(tmp_path: Path) -> None:
    file = tmp_path / "people.toml"
    config = Config(centre=Centre(people=str(file), territory="kz/almaty"))
    assert has(look(duty.check_people, world()), "warning: centre.people is not set")
    assert has(look(duty.check_people, world(config)), "fault:", "people.toml", "cannot be read")
    file.write_text(
        PEOPLE.replace('duty = ["mon-sun 08:00-20:00"]', "").replace(', "sms:+77010000001"', "").replace('"kz/almaty"', '"kz"')
    )
    assert has(look(duty.check_people, world(config)), "ok: 1 people", "duty_officer, level_above, shift_lead")
    file.write_text(PEOPLE.replace("shift_lead", "shift_leader"))
    assert has(look(duty.check_people, world(config)), "fault:", "people.toml, line 6", "correct the line")


def test_scenarios_are_read_and_faults_told(tmp_path: Path, database: str) -> None:
    assert has(look(policy.check, world(dsn=database)), "ok: 14 scenarios, shipped")
    (tmp_path / "fire.toml").write_text("code = ")
    own = Config(centre=Centre(scenarios=str(tmp_path)))
    assert has(look(policy.check, world(own)), "fault:", "fire.toml", "jedel scenarios check")
    assert isinstance(policy.scenarios_of(Config()), ScenarioSet)
