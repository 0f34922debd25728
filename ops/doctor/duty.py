"""Who is on duty: the roster's day and its gaps, the patrol routes, and whether those exist who are to be told.

Place in the flow: checks of `jedel doctor`. A role that nobody holds is somebody who is silently not told, and it is found out
here and not in the night when an escalation reaches it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from core.instant import SECOND_US, Micros
from core.patrol import PatrolRoute
from core.people import People
from core.people_file import PeopleError
from core.roster.model import Roster, Shift
from core.scenario import Scenario, ScenarioError
from core.scenario_file import CHAINS
from core.telling import Channel
from core.timetable import windows
from ops.config import Channels
from ops.doctor.clock import local_text
from ops.doctor.policy import scenarios_of
from ops.doctor.verdict import Verdict, fault, found_or, ok, warning
from ops.doctor.world import World
from ops.telling import people_of
from storage.condition import is_migrated
from storage.patrol_routes import load_patrol_routes
from storage.roster import read_call_signs, read_revision, read_roster

HOUR_US: Final = 3600 * SECOND_US
AHEAD_US: Final = 24 * HOUR_US
"""How far duty is looked at: whoever reads this today can still change tomorrow's morning."""
URGENT: Final = 1
"""Priority at which quiet hours hide nobody."""
SHOWN_MAX: Final = 5
"""Of a list in one line."""
_SERVERS: Final = {
    Channel.WEBHOOK: "webhook_secret",
    Channel.MAIL: "mail_server",
    Channel.SMS: "sms_server",
}


async def check_roster(world: World) -> list[Verdict]:
    """Whether somebody serves now and through the next day."""
    now_us = world.now_us()
    async with world.database() as connection:
        if not await is_migrated(connection) or not await read_revision(connection):
            return [warning("no roster: who serves where is known from crews' terminals only", "jedel roster import DUTY.csv")]
        roster = await read_roster(connection, (now_us, now_us + AHEAD_US))
    return judge_roster(roster, now_us, world.config.centre.time_zone)


def judge_roster(roster: Roster, now_us: Micros, zone: str) -> list[Verdict]:
    """Gaps of the next day.

    Args:
        roster: the shifts that meet it.
        now_us: when it begins.
        zone: of the centre, for times as people read them.
    """
    if not roster.shifts:
        return [
            fault(
                "the roster has nobody from now to this time tomorrow",
                "jedel roster import DUTY.csv, or jedel roster show --at TIME",
            )
        ]
    found = [
        warning(
            f"nobody is on the roster from {local_text(from_us, zone)} to {local_text(until_us, zone)}",
            f"jedel roster show --at {local_text(from_us, zone).replace(' ', 'T')}",
        )
        for from_us, until_us in gaps(roster.shifts, now_us, Micros(now_us + AHEAD_US))
    ]
    manned = {(kind, name) for shift in roster.shifts for kind, name in (("post", shift.post), ("route", shift.route))}
    empty = [place.name for place in roster.places if (place.kind, place.name) not in manned]
    if empty:
        found.append(warning(f"no shift in the next day at {_some(empty)}", "jedel roster import DUTY.csv"))
    return found_or(
        found, f"{len(roster.at(now_us))} crews on the roster now, {len(roster.shifts)} shifts in the next day, no gap"
    )


def gaps(shifts: Iterable[Shift], from_us: Micros, until_us: Micros) -> Iterator[tuple[Micros, Micros]]:
    """Spans of `[from_us, until_us)` in which no shift runs, in order."""
    covered_us = from_us
    for shift in sorted(shifts, key=lambda one: one.from_us):
        if shift.from_us > covered_us:
            yield covered_us, Micros(min(shift.from_us, until_us))
        covered_us = max(covered_us, shift.until_us)
    if covered_us < until_us:
        yield covered_us, until_us


async def check_patrols(world: World) -> list[Verdict]:
    """Whether each patrol route of the next day has a crew that can walk it."""
    now_us = world.now_us()
    async with world.database() as connection:
        if not await is_migrated(connection):
            return [ok("the database is empty: no patrol routes")]
        routes = await load_patrol_routes(connection, now_us)
        roster = await read_roster(connection, (now_us, now_us + AHEAD_US))
        signs = await read_call_signs(connection)
    return judge_patrols(routes, roster.shifts, frozenset(signs), now_us)


def judge_patrols(
    routes: Sequence[PatrolRoute], shifts: Sequence[Shift], signs: frozenset[str], now_us: Micros
) -> list[Verdict]:
    """What is wrong with the patrols of the next day.

    Args:
        routes: every version that a shift may run by.
        shifts: of the roster, those that meet the day.
        signs: call signs that the centre has ever heard of.
        now_us: when the day begins.
    """
    if not routes:
        return [ok("no patrol routes: nothing is watched")]
    found: list[Verdict] = []
    walked = 0
    for route in routes:
        soon = [one for one in windows(route.timetable, now_us) if one.from_us < now_us + AHEAD_US]
        soon = [one for one in soon if route.valid_until_us is None or one.from_us < route.valid_until_us]
        if not soon:
            continue
        walked += 1
        strangers = [crew for crew in route.crews or () if crew not in signs]
        if strangers:
            found.append(
                warning(
                    f"route {route.name}: crews {_some(strangers)} were never heard of",
                    "correct the call signs: jedel patrol import FILE.geojson",
                )
            )
        elif route.crews is None and not any({route.name, route.route_id} & {shift.route} for shift in shifts):
            found.append(
                warning(
                    f"route {route.name}: no shift of the roster names it in the next day",
                    "jedel roster import DUTY.csv, with the route's name",
                )
            )
    return found_or(found, f"{len(routes)} patrol routes, {walked} walked in the next day")


async def check_people(world: World) -> list[Verdict]:
    """Whether everybody whom the scenarios want told exists, is on duty, and can be reached."""
    config = world.config
    if not config.centre.people:
        return [
            warning(
                "centre.people is not set: an escalation tells dispatch clients only",
                "centre.people = FILE; see ops/examples/people.toml",
            )
        ]
    try:
        people = people_of(config).now()
    except PeopleError as error:
        return [fault(line, "correct the line; ops/examples/people.toml shows every field") for line in error.lines]
    try:
        scenarios = list(scenarios_of(config))
    except ScenarioError:
        return [warning("the scenarios are faulty, so who is to be told is not known", "jedel scenarios check")]
    named = recipients(scenarios)
    found = [
        *judge_duty(people, named, config.centre.territory, world.now_us(), config.centre.time_zone),
        *judge_ways(people, config.channels),
    ]
    return found_or(
        found, f"{len(people)} people; all whom the scenarios name are on duty through the next day: {', '.join(named)}"
    )


def recipients(scenarios: Iterable[Scenario]) -> list[str]:
    """Everybody whom these scenarios tell of something, sorted."""
    named: set[str] = set()
    for scenario in scenarios:
        named |= {step.to for name in CHAINS for step in getattr(scenario, name).steps if step.to}
        named |= {informed.to for informed in scenario.informed}
    return sorted(named)


def judge_duty(people: People, named: Iterable[str], territory: str, now_us: Micros, zone: str) -> Iterator[Verdict]:
    """Hours of the next day in which somebody whom scenarios name is not there."""
    where = territory or "the whole centre"
    for to in named:
        missing = [
            at for at in range(now_us, now_us + AHEAD_US, HOUR_US) if not people.who(to, territory, Micros(at), URGENT).reached
        ]
        if not missing:
            continue
        if missing[0] == now_us:
            reasons = sorted({one.reason.value for one in people.who(to, territory, now_us, URGENT).passed_over})
            yield fault(
                f"{to} in {where}: nobody would be told now ({', '.join(reasons)})",
                "centre.people: give somebody this role there or above, and duty now",
            )
        else:
            at = local_text(Micros(missing[0]), zone)
            yield warning(
                f"{to} in {where}: nobody would be told from about {at}, for {len(missing)} h of the next day",
                "centre.people: somebody else's duty",
            )


def judge_ways(people: People, channels: Channels) -> Iterator[Verdict]:
    """People whose channels have no server here."""
    for person_id in people.ids():
        person = people.get(person_id)
        if person is None or not person.ways:
            continue
        dead = {way.channel for way in person.ways if way.channel in _SERVERS and not getattr(channels, _SERVERS[way.channel])}
        alive = {way.channel for way in person.ways} - dead
        if not dead:
            continue
        keys = ", ".join(f"channels.{_SERVERS[channel]}" for channel in sorted(dead, key=lambda one: one.value))
        lacking = ", ".join(sorted(channel.value for channel in dead))
        if alive:
            yield warning(f"{person_id}: not reached by {lacking}, which has no server", f"set {keys}")
        else:
            yield fault(f"{person_id}: reached by {lacking} only, which has no server", f"set {keys}")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN_MAX} more" if len(names) > SHOWN_MAX else ""
    return ", ".join(names[:SHOWN_MAX]) + more
