"""Locust's shapes, one for each plan: how many users there are, and when the run is over.

Place in the flow: around it. A shape spawns all users at once and keeps them; what rises and falls is what they say
(`loadtest.locust_users.plan`), because one source says more in a disaster, and no second 112 platform appears. The figures and
where they come from stand in `loadtest.locust_users.plan.PLANS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from locust import LoadTestShape, User

from loadtest.locust_users.conduct import Conduct
from loadtest.locust_users.plan import PLANS, USERS, Plan

SPAWN_RATE: Final = 100.0
"""Users a second."""


class Planned(LoadTestShape):
    """A shape that plays a plan, until the conduct says that everything has been seen."""

    abstract = True
    plan: ClassVar[Plan]
    conduct: ClassVar[Conduct]

    def reset_time(self) -> None:
        """Locust begins a run, perhaps another one after one that is over."""
        LoadTestShape.reset_time(self)
        self.conduct.finished = False

    def tick(self) -> tuple[int, float] | None:
        """How many users there are now, and how fast they come; None when the run is over."""
        if self.conduct.finished:
            return None
        return users_of(self.plan, self.conduct.setting.only).total, SPAWN_RATE


class CityDay(Planned):
    """A normal day compressed into the run: 2,055 calls over the hours as they come in a city, devices by the clock."""

    plan = PLANS["day"]


class NewYearsNight(Planned):
    """Eight hours around midnight compressed into the run, with six times the calls after midnight."""

    plan = PLANS["new_year"]


class Earthquake(Planned):
    """By the clock: calls × 50 within a minute (a tenth of the run), meters × 20."""

    plan = PLANS["earthquake"]


class ReconnectStorm(Planned):
    """By the clock: every source and client is cut at the same instant and comes back at once, twice."""

    plan = PLANS["reconnect"]


SHAPES: Final[Mapping[str, type[Planned]]] = {
    "day": CityDay,
    "new_year": NewYearsNight,
    "earthquake": Earthquake,
    "reconnect": ReconnectStorm,
}


class Users:
    """How many users of each class."""

    def __init__(self, counts: Mapping[str, int]) -> None:
        self.counts = counts

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.counts.values())


def users_of(plan: Plan, only: str) -> Users:
    """The users of a plan; of one class alone where `only` names it."""
    return Users({name: plan.users.get(name, number) for name, number in USERS.items() if not only or name == only})


def fix_counts(classes: Mapping[str, type[User]], plan: Plan, only: str) -> None:
    """Tells locust how many users of each class there are; whoever is not needed gets a weight of 0, which leaves it out."""
    counts = users_of(plan, only).counts
    for name, user in classes.items():
        user.fixed_count = counts.get(name, 0)
        user.weight = 0
