"""A period played by one policy: events in order of time, nothing random, the same every time.

Place in the flow: outside it. Whenever a call comes in, a crew frees or a shift begins, the policy is shown what waits, what
has a crew under way and who there is. Rules: a crew that is sent takes the call's turnout, then the way from where it is, then
the call's work; then it is free where the call was and drives home, and may be sent from any point of its way. A crew that is
relieved is free where it is, at once. What the policy is told of a busy crew is a guess from the usual work, never the call's
own, which nobody could know.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.vocabulary import AssignReason
from loadtest.policy_trial.world import Crews, Floats, Integers, World, may_go
from routing.policies.situation import Policy, Sending, Situation, UnderWay

OVERDUE_SHARE = 0.25
"""A crew that works longer than is usual is expected to need this share of the usual once more."""
ARRIVAL, FREED, DUTY = 0, 1, 2


class Outcome(NamedTuple):
    """What came of a period, a row a call."""

    response_s: Floats
    """From the call until its crew arrives; infinite for a call that nobody could ever be sent to."""
    crew: Integers
    """Who came; -1 for nobody."""
    sent_s: Floats
    """When its last crew was sent."""
    reasons: dict[AssignReason, int]
    """How often each reason was given."""


class Play:
    """One period being played; `run` plays it."""

    def __init__(self, world: World, policy: Policy, begins_s: float = -np.inf) -> None:
        """`begins_s`: nobody is sent before."""
        self.world = world
        self._begins_s = begins_s
        self._policy = policy
        crews = world.crews
        count = len(crews.free_at_s)
        self._free_at = crews.free_at_s.copy()
        """When each crew is or was last free."""
        self._latitude, self._longitude = crews.latitude_deg.copy(), crews.longitude_deg.copy()
        """Where each crew is then."""
        self._arrives = np.full(count, -np.inf)
        self._rolls = np.full(count, -np.inf)
        """When each crew that was sent sets out, and where from."""
        self._start_latitude, self._start_longitude = self._latitude.copy(), self._longitude.copy()
        self._task = np.full(count, -1)
        """The call that each crew is bound for or works at."""
        self._home_s = self._way_home(np.arange(count))
        self._allowed = may_go(world.calls, crews)
        calls = len(world.calls.at_s)
        self._response = np.full(calls, np.inf)
        self._crew = np.full(calls, -1)
        self._sent_to = np.full(calls, np.nan)
        self._waiting: list[int] = []
        self._reasons: dict[AssignReason, int] = {}
        self._events: list[tuple[float, int, int, int]] = []
        self._turn = np.zeros(count, dtype=np.int64)
        """Rises with every task of a crew, so that the end of one that was broken off is no event."""
        self._freed = np.zeros(count, dtype=np.bool_)
        """Which crews have become free since the last decision."""

    def run(self, until_s: float = np.inf) -> Outcome:
        """Plays all calls known before `until_s` until the last has its crew, or only up to `until_s` if that is finite."""
        world = self.world
        for call, at_s in enumerate(world.calls.at_s.tolist()):
            if at_s < until_s:
                # What waits already at the beginning can be answered from then on.
                heappush(self._events, (max(at_s, self._begins_s), ARRIVAL, call, 0))
        for crew, free_at_s in enumerate(world.crews.free_at_s.tolist()):
            if free_at_s > 0:
                heappush(self._events, (free_at_s, FREED, crew, 0))
            for begins_s, _ in world.crews.duty[crew]:
                heappush(self._events, (begins_s, DUTY, crew, 0))
        events = self._events
        while events:
            now_s, kind, number, turn = heappop(events)
            if now_s >= until_s:
                break
            if kind == ARRIVAL:
                self._waiting.append(number)
            elif kind == FREED:
                if self._turn[number] != turn:
                    continue
                self._task[number] = -1
            if kind != ARRIVAL:
                self._freed[number] = True
            if not (events and events[0][0] == now_s):
                if self._waiting or (self._freed & (self._task < 0)).any():
                    self._decide(now_s)
                self._freed[:] = False
        return Outcome(self._response, self._crew, self._sent_to, self._reasons)

    def crews_at(self, now_s: float) -> Crews:
        """The crews as they are at an instant, counted from it: what another period can begin with."""
        crews = self.world.crews
        return crews._replace(
            free_at_s=self._free_at - now_s,
            latitude_deg=self._latitude.copy(),
            longitude_deg=self._longitude.copy(),
            duty=tuple(
                tuple((begins_s - now_s, ends_s - now_s) for begins_s, ends_s in duty if ends_s > now_s) for duty in crews.duty
            ),
        )

    @property
    def waiting(self) -> list[int]:
        """The calls that nobody has been sent to yet."""
        return list(self._waiting)

    def _way_home(self, crews: Integers) -> Floats:
        own = self.world.crews
        return self.world.travel.back_s(
            self._latitude[crews], self._longitude[crews], own.home_latitude_deg[crews], own.home_longitude_deg[crews]
        )

    def _places(self, now_s: float) -> tuple[Floats, Floats]:
        """Where each crew is if it is free, else where it will be free."""
        own = self.world.crews
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(self._home_s > 0, (now_s - self._free_at) / self._home_s, 1.0)
        share = np.clip(share, 0.0, 1.0)
        return (
            self._latitude + (own.home_latitude_deg - self._latitude) * share,
            self._longitude + (own.home_longitude_deg - self._longitude) * share,
        )

    def situation(self, now_s: float) -> Situation:
        """What the policy is shown."""
        world = self.world
        calls, crews = world.calls, world.crews
        rows = np.array(self._waiting, dtype=np.int64)
        latitude, longitude = self._places(now_s)
        to_lat, to_lon = calls.latitude_deg[rows][:, None], calls.longitude_deg[rows][:, None]
        distance_m = world.travel.distance_m(latitude[None, :], longitude[None, :], to_lat, to_lon)
        on_duty = np.array([any(begins <= now_s < ends for begins, ends in duty) for duty in crews.duty])
        allowed = self._allowed[rows] & on_duty[None, :]
        travel_s = np.where(allowed, calls.turnout_s[rows][:, None] + world.travel.lasts_s(distance_m), np.inf)
        busy = self._task >= 0
        under_way = busy & (self._arrives > now_s)
        guessed = np.maximum(self._arrives + world.usual_work_s, now_s + OVERDUE_SHARE * world.usual_work_s)
        free_in_s = np.where(busy, guessed - now_s, np.maximum(self._free_at - now_s, 0.0))
        divert_s = np.full_like(travel_s, np.inf)
        bound_for = np.zeros(len(busy), dtype=np.int64)
        if under_way.any():
            bound = np.flatnonzero(under_way)
            bound_for[bound] = calls.priority[self._task[bound]]
            here_lat, here_lon = self._under_way_at(bound, now_s)
            way_s = world.travel.travel_s(here_lat[None, :], here_lon[None, :], to_lat, to_lon)
            # Who rolls already needs no turnout; who has not yet set out has its own still before it.
            rest_s = np.maximum(self._rolls[bound] - now_s, 0.0)
            divert_s[:, bound] = np.where(allowed[:, bound], rest_s[None, :] + way_s, np.inf)
        return Situation(
            waited_s=now_s - calls.at_s[rows],
            priorities=calls.priority[rows],
            travel_s=travel_s,
            distance_m=np.where(allowed, distance_m, np.inf),
            free_in_s=free_in_s,
            latitude_deg=latitude,
            longitude_deg=longitude,
            bound_for=bound_for,
            divert_s=divert_s,
            freed=self._freed & (free_in_s == 0.0),
            under_way=self._calls_under_way(
                np.flatnonzero(under_way), on_duty & (free_in_s == 0.0), latitude, longitude, now_s
            ),
        )

    def _calls_under_way(
        self, bound: Integers, free: npt.NDArray[np.bool_], latitude: Floats, longitude: Floats, now_s: float
    ) -> UnderWay:
        world = self.world
        rows = self._task[bound]
        to_lat, to_lon = world.calls.latitude_deg[rows], world.calls.longitude_deg[rows]
        way_s = np.full((len(bound), len(free)), np.inf)
        here = np.flatnonzero(free)
        ways_s = world.travel.travel_s(latitude[here][None, :], longitude[here][None, :], to_lat[:, None], to_lon[:, None])
        way_s[:, here] = np.where(self._allowed[rows][:, here], ways_s, np.inf)
        rolls_s = np.maximum(self._rolls[bound], now_s)
        return UnderWay(bound, world.calls.priority[rows], self._arrives[bound] - rolls_s, way_s)

    def _under_way_at(self, crews: Integers, now_s: float) -> tuple[Floats, Floats]:
        rolls = self._rolls[crews]
        share = np.clip((now_s - rolls) / np.maximum(self._arrives[crews] - rolls, 1e-9), 0.0, 1.0)
        task = self._task[crews]
        calls = self.world.calls
        start_lat, start_lon = self._start_latitude[crews], self._start_longitude[crews]
        return (
            start_lat + (calls.latitude_deg[task] - start_lat) * share,
            start_lon + (calls.longitude_deg[task] - start_lon) * share,
        )

    def _decide(self, now_s: float) -> None:
        situation = self.situation(now_s)
        waiting = list(self._waiting)
        for sending in self._policy.decide(situation):
            if sending.relieves:
                self._relieve(sending, situation, now_s)
            else:
                self._send(sending, waiting[sending.call], situation, now_s)

    def _relieve(self, sending: Sending, situation: Situation, now_s: float) -> None:
        crew, left = sending.crew, int(situation.under_way.crews[sending.call])
        call = int(self._task[left])
        assert call >= 0 and self._arrives[left] > now_s, "its crew is under way"
        assert situation.free_in_s[crew] == 0.0, "the crew is free"
        places = self._under_way_at(np.array([left]), now_s)
        self._latitude[left], self._longitude[left] = places[0][0], places[1][0]
        self._free_at[left], self._task[left] = now_s, -1
        self._home_s[left] = self._way_home(np.array([left]))[0]
        self._turn[left] += 1
        # It may be of use to somebody else at once.
        heappush(self._events, (now_s, FREED, left, int(self._turn[left])))
        turnout_s = float(self.world.calls.turnout_s[call])
        self._set_out(crew, call, situation, now_s)
        self._arrive(crew, call, now_s, turnout_s + float(situation.under_way.way_s[sending.call, crew]))
        self._reasons[sending.reason] = self._reasons.get(sending.reason, 0) + 1

    def _send(self, sending: Sending, call: int, situation: Situation, now_s: float) -> None:
        crew = sending.crew
        assert call in self._waiting, "the call waits"
        if self._task[crew] >= 0:
            lasts_s = float(situation.divert_s[sending.call, crew])
            places = self._under_way_at(np.array([crew]), now_s)
            self._rolls[crew] = max(now_s, self._rolls[crew])
            # The call it was bound for waits again, and is asked about at once.
            heappush(self._events, (now_s, DUTY, crew, 0))
            left = int(self._task[crew])
            self._waiting.append(left)
            self._response[left], self._crew[left] = np.inf, -1
            self._start_latitude[crew], self._start_longitude[crew] = places[0][0], places[1][0]
        else:
            assert situation.free_in_s[crew] == 0.0, "the crew is free"
            lasts_s = float(situation.travel_s[sending.call, crew])
            self._set_out(crew, call, situation, now_s)
        self._waiting.remove(call)
        self._arrive(crew, call, now_s, lasts_s)
        self._reasons[sending.reason] = self._reasons.get(sending.reason, 0) + 1

    def _set_out(self, crew: int, call: int, situation: Situation, now_s: float) -> None:
        self._rolls[crew] = now_s + self.world.calls.turnout_s[call]
        self._start_latitude[crew] = situation.latitude_deg[crew]
        self._start_longitude[crew] = situation.longitude_deg[crew]

    def _arrive(self, crew: int, call: int, now_s: float, lasts_s: float) -> None:
        assert np.isfinite(lasts_s), "the crew may go"
        calls = self.world.calls
        self._arrives[crew], self._task[crew] = now_s + lasts_s, call
        self._sent_to[call], self._crew[call] = now_s, crew
        self._response[call] = now_s + lasts_s - calls.at_s[call]
        self._free_at[crew] = now_s + lasts_s + calls.work_s[call]
        self._latitude[crew], self._longitude[crew] = calls.latitude_deg[call], calls.longitude_deg[call]
        self._home_s[crew] = self._way_home(np.array([crew]))[0]
        self._turn[crew] += 1
        heappush(self._events, (float(self._free_at[crew]), FREED, crew, int(self._turn[crew])))
