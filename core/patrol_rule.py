"""The patrol's rule: what positions and deadlines make of crews on their routes, for a whole batch at once (OCC-5).

Place in the flow: between `core.patrol_watch`, which gathers the batch's crews into a table of `CREW` rows and puts them back,
and nothing else. Every function here is of its arguments alone and treats each row by itself, so neither order nor company of
crews changes what is found.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.great_circle import distances_m
from core.patrol import PatrolEnd, PatrolFault, PatrolRules
from core.patrol_table import (
    END_NO,
    EXPECTED,
    FAULT_NO,
    LOST,
    NEVER,
    NOT_STARTED,
    OFF_ROUTE,
    OFF_TIMETABLE,
    ON_ROUTE,
    RETURNING,
    STANDING,
    SUSPENDED,
    Crews,
)

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int8]


class Fixes(NamedTuple):
    """Positions, one a row of the table; each column float64 `(n,)`."""

    latitude_deg: Floats
    longitude_deg: Floats
    accuracy_m: Floats
    distance_m: Floats
    """To the crew's own route."""
    width_m: Floats
    """Of that route."""


class Verdict(NamedTuple):
    """What happened to each row of a table; each column `(n,)`."""

    began: Codes
    """The fault that has begun, 0 for none."""
    ended: Codes
    """The fault that has ended, 0 for none."""
    end: Codes
    """Why."""
    ended_since_us: Ints
    """Since when it had been."""


def is_judged(crews: Crews) -> Flags:
    """Which crews' positions say something about their patrol now."""
    phase = crews["phase"]
    judged: Flags = (phase != OFF_TIMETABLE) & (phase != SUSPENDED) & (phase != LOST)
    return judged


def is_news(crews: Crews, at_us: Ints, now_us: int, rules: PatrolRules) -> Flags:
    """Which positions are newer than what is known of their crews, by at least a second.

    One that is older is out of order, unless nothing newer has come for `silence_us`: then the device's clock was set back, and
    what it says now is the present. A repeated one is never news.

    Args:
        crews: the table, `(n,)`.
        at_us: when the positions were taken, int64 `(n,)`, none after `now_us`.
        now_us: the centre's time.
        rules: the thresholds.
    """
    seen_at_us = crews["seen_at_us"]
    set_back = (at_us < seen_at_us) & (now_us - crews["heard_us"] >= rules.silence_us)
    news: Flags = (at_us >= seen_at_us + 1_000_000) | set_back
    return news


def judge(crews: Crews, fixes: Fixes, now_us: int, rules: PatrolRules) -> Verdict:
    """Takes a position of each crew of a table, all of which `is_judged`; changes the table.

    Args:
        crews: the table, `(n,)`; `heard_us` still of the position before.
        fixes: the positions.
        now_us: the centre's time.
        rules: the thresholds.
    """
    phase = crews["phase"].copy()
    accuracy_m = np.maximum(fixes.accuracy_m, rules.accuracy_least_m)
    gap_us = now_us - crews["heard_us"]
    is_broken = gap_us > rules.silence_us
    outside = fixes.distance_m > fixes.width_m + accuracy_m
    inside = fixes.distance_m <= fixes.width_m * rules.return_factor
    _count(crews, inside, outside, is_broken, now_us)
    count = crews["outside_count"]
    ran_us = now_us - crews["outside_since_us"]
    is_away = outside & ((count >= rules.off_positions) | ((count >= 2) & (ran_us >= rules.off_us)))
    has_moved = _move(crews, fixes, accuracy_m, gap_us, rules)
    crews["heard_us"] = now_us

    starts = ((phase == EXPECTED) | (phase == NOT_STARTED)) & inside
    is_back = (phase == OFF_ROUTE) & (crews["inside_count"] >= rules.return_positions)
    returns = is_back | ((phase == RETURNING) & inside)
    overdue = (phase == RETURNING) & (now_us >= crews["grace_until_us"])
    leaves = ((phase == ON_ROUTE) | (phase == STANDING) | overdue) & is_away
    goes_on = (phase == STANDING) & has_moved & ~leaves
    has_stood = (crews["stand_us"] > 0) & (crews["stood_us"] >= crews["stand_us"])
    stands = (phase == ON_ROUTE) & has_stood & ~leaves

    verdict = _nothing(len(crews))
    arrives = starts | returns
    _end(crews, verdict, starts & (phase == NOT_STARTED), PatrolEnd.STARTED)
    _end(crews, verdict, is_back, PatrolEnd.RETURNED)
    _end(crews, verdict, goes_on | (leaves & (phase == STANDING)), PatrolEnd.MOVED)
    _begin(crews, verdict, leaves, PatrolFault.OFF_ROUTE, crews["outside_since_us"])
    _begin(crews, verdict, stands, PatrolFault.STANDING, now_us - crews["stood_us"])
    enter(crews, arrives | goes_on, ON_ROUTE, now_us)
    enter(crews, leaves, OFF_ROUTE, now_us)
    enter(crews, stands, STANDING, now_us)
    crews["started"][arrives] = True
    crews["grace_until_us"][arrives | leaves] = 0
    # Whether it stands is counted from when it is on the route.
    crews["stood_us"][arrives] = crews["moved_count"][arrives] = 0
    crews["anchor_lat"][arrives] = fixes.latitude_deg[arrives]
    crews["anchor_lon"][arrives] = fixes.longitude_deg[arrives]
    return verdict


def is_at_checkpoint(crews: Crews, fixes: Fixes, now_us: int, rules: PatrolRules) -> Flags:
    """Which crews are at the checkpoint that they are due at."""
    is_time = (crews["point_from_us"] <= now_us) & (now_us <= crews["point_until_us"])
    if not is_time.any():
        return is_time
    apart_m = distances_m(crews["point_lat"], crews["point_lon"], fixes.latitude_deg, fixes.longitude_deg)
    at: Flags = is_time & (apart_m <= crews["point_radius_m"] + np.maximum(fixes.accuracy_m, rules.accuracy_least_m))
    return at


def overdue(crews: Crews, now_us: int, rules: PatrolRules) -> Verdict:
    """Tells of those crews of a table that have not started, or have stood, by now; changes the table."""
    verdict = _nothing(len(crews))
    late = (crews["phase"] == EXPECTED) & (crews["start_by_us"] <= now_us)
    due = stand_due_us(crews, now_us, rules)
    stands = due <= now_us
    _begin(crews, verdict, late, PatrolFault.NOT_STARTED, crews["from_us"])
    _begin(crews, verdict, stands, PatrolFault.STANDING, due - crews["stand_us"])
    enter(crews, late, NOT_STARTED, now_us)
    enter(crews, stands, STANDING, now_us)
    return verdict


def stand_due_us(crews: Crews, now_us: int, rules: PatrolRules) -> Ints:
    """When each crew will have stood too long if nothing more is heard of it; `NEVER` where silence would not say so."""
    left_us = np.maximum(crews["stand_us"] - crews["stood_us"], 0)
    counts = (crews["phase"] == ON_ROUTE) & (crews["stand_us"] > 0) & (left_us <= rules.silence_us)
    # Asked too late, as after a restart, it is the next position that tells.
    counts &= now_us <= crews["heard_us"] + rules.silence_us
    due: Ints = np.where(counts, crews["heard_us"] + left_us, NEVER)
    return due


def due_us(crews: Crews, now_us: int, rules: PatrolRules) -> Ints:
    """When each crew has to be looked at next, whatever is heard of it."""
    phase = crews["phase"]
    is_off = phase == OFF_TIMETABLE
    due = np.where(is_off, crews["from_us"], crews["until_us"])
    due = np.minimum(due, np.where(is_off, NEVER, crews["point_until_us"]))
    due = np.minimum(due, np.where(phase == EXPECTED, crews["start_by_us"], NEVER))
    earliest: Ints = np.minimum(due, stand_due_us(crews, now_us, rules))
    return earliest


def enter(crews: Crews, who: Flags, phase: int, now_us: int) -> None:
    """Puts some of the table's crews into a phase."""
    crews["phase"][who] = phase
    crews["since_us"][who] = now_us
    crews["changed"][who] = True


def end_all(crews: Crews, end: PatrolEnd) -> Verdict:
    """Ends whatever fault is open; changes the table."""
    verdict = _nothing(len(crews))
    _end(crews, verdict, crews["fault"] > 0, end)
    return verdict


def break_runs(crews: Crews) -> None:
    """Forgets what was being counted: neither off the route nor standing for any time yet."""
    for column in ("inside_count", "outside_count", "moved_count", "stood_us"):
        crews[column] = 0


def _count(crews: Crews, inside: Flags, outside: Flags, is_broken: Flags, now_us: int) -> None:
    """Goes on counting positions in a row inside and outside."""
    begins = outside & (is_broken | (crews["outside_count"] == 0))
    crews["outside_since_us"][begins] = now_us
    for column, here in (("inside_count", inside), ("outside_count", outside)):
        crews[column] = np.where(here, np.where(is_broken, 0, crews[column]) + 1, 0)


def _move(crews: Crews, fixes: Fixes, accuracy_m: Floats, gap_us: Ints, rules: PatrolRules) -> Flags:
    """Goes on counting how long each crew has been in one place; which have moved."""
    gone_m = distances_m(crews["anchor_lat"], crews["anchor_lon"], fixes.latitude_deg, fixes.longitude_deg)
    is_far = gone_m > rules.stand_m + accuracy_m
    crews["moved_count"] = np.where(is_far, np.minimum(crews["moved_count"] + 1, 2), 0)
    # An anchor of NaN is none yet.
    has_moved: Flags = (crews["moved_count"] == 2) | (is_far & (gap_us >= rules.rare_us)) | np.isnan(gone_m)
    crews["moved_count"][has_moved] = 0
    crews["stood_us"] = np.where(has_moved, 0, crews["stood_us"] + np.minimum(gap_us, rules.silence_us))
    crews["anchor_lat"][has_moved] = fixes.latitude_deg[has_moved]
    crews["anchor_lon"][has_moved] = fixes.longitude_deg[has_moved]
    return has_moved


def _nothing(count: int) -> Verdict:
    return Verdict(np.zeros(count, np.int8), np.zeros(count, np.int8), np.zeros(count, np.int8), np.zeros(count, np.int64))


def _begin(crews: Crews, verdict: Verdict, who: Flags, fault: PatrolFault, since_us: Ints) -> None:
    verdict.began[who] = crews["fault"][who] = FAULT_NO[fault]
    crews["fault_since_us"][who] = since_us[who]
    crews["changed"][who] = True


def _end(crews: Crews, verdict: Verdict, who: Flags, end: PatrolEnd) -> None:
    verdict.ended[who] = crews["fault"][who]
    verdict.end[who] = END_NO[end]
    verdict.ended_since_us[who] = crews["fault_since_us"][who]
    crews["fault"][who] = 0
    crews["changed"][who] = True
