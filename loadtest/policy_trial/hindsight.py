"""What could be reached by who knows all calls beforehand: the least late share and the least mean response of a period.

Place in the flow: outside it; the denominator of every gap in `jedel compare-policies`. Each crew is a unit of flow through a
network over time, each call is served by one crew or by nobody, and the least cost of such flows is a linear program, solved
by HiGHS.

Rules: it is a bound and need not be attained, since
- a call that begins from home begins the moment it is known and lasts exactly what it lasts; any other begins at the nearest
  point of the crew's way home that it can have reached by then, and ends as early as it can whatever came before it;
- flows may be divided: two halves of a crew may be in two places;
- for the late share a late call occupies nobody, for it can be answered when the period is over; for the mean one that would
  wait beyond `WAIT_MAX_S` costs that, and occupies nobody.
It bounds schedules in which calls beyond that cap move no crew to a better place, and in which nobody is called back. A
policy may do otherwise and may in a rare period be better: then `loadtest.policy_trial.measure` takes that policy's figure
for the hindsight.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array, vstack

from loadtest.policy_trial.world import Floats, Integers, World, may_go

ARCS_MAX: Final = 60_000
"""Of one program: beyond it the solver takes minutes."""
WAIT_MAX_S: Final = 1800.0
"""Beyond it the bound on the mean counts no more of a response."""
NEVER: Final = np.inf


class Bounds(NamedTuple):
    """The least of a period; None where its program would be too large."""

    late_share: float | None
    mean_s: float | None


def bounds(world: World, arcs_max: int = ARCS_MAX) -> Bounds:
    """Both bounds of a period. Two linear programs, of some seconds at most."""
    return Bounds(_least(world, arcs_max, late=True), _least(world, arcs_max, late=False))


class _Arcs:
    """Arcs of the network as columns that grow."""

    def __init__(self) -> None:
        self.tails: list[Integers] = []
        self.heads: list[Integers] = []
        self.costs: list[Floats] = []
        self.calls: list[Integers] = []

    def add(self, tails: Integers, heads: Integers, costs: Floats, calls: Integers) -> None:
        """Arcs from node to node; `calls` says whom each serves, -1 for nobody."""
        self.tails.append(tails)
        self.heads.append(heads)
        self.costs.append(costs)
        self.calls.append(calls)


def _least(world: World, arcs_max: int, *, late: bool) -> float | None:
    """The least mean cost a call: its lateness (0 or 1), or its response in seconds up to `WAIT_MAX_S`."""
    calls = world.calls
    count = len(calls.at_s)
    if not count:
        return 0.0
    cap_s = world.late_s if late else WAIT_MAX_S
    arcs = _Arcs()
    offset = 0
    supplies: list[tuple[int, float]] = []
    for members in _alike(world):
        nodes = _flow(world, members, cap_s, offset, arcs, late=late)
        supplies.append((offset, float(len(members))))
        offset += nodes
    if sum(len(tails) for tails in arcs.tails) > arcs_max:
        return None
    tails, heads = np.concatenate(arcs.tails), np.concatenate(arcs.heads)
    costs, served = np.concatenate(arcs.costs), np.concatenate(arcs.calls)
    width = len(tails)
    # What goes into a node comes out of it; the head -1 is the end.
    columns = np.arange(width)
    inner = heads >= 0
    serving = served >= 0
    flow = coo_array(
        (
            np.concatenate((np.ones(width), -np.ones(inner.sum()))),
            (np.concatenate((tails, heads[inner])), np.concatenate((columns, columns[inner]))),
        ),
        shape=(offset, width + count),
    )
    supply = np.zeros(offset)
    for node, crews in supplies:
        supply[node] = crews
    cover = coo_array(
        (
            np.ones(int(serving.sum()) + count),
            (
                np.concatenate((served[serving], np.arange(count))),
                np.concatenate((columns[serving], width + np.arange(count))),
            ),
        ),
        shape=(count, width + count),
    )
    unserved = 1.0 if late else cap_s
    result = linprog(  # type: ignore[call-overload]  # its stubs know no sparse matrix, which it takes
        np.concatenate((costs, np.full(count, unserved))),
        A_eq=vstack((flow, cover)).tocsr(),
        b_eq=np.concatenate((supply, np.ones(count))),
        bounds=(0, None),
        method="highs-ipm" if late else "highs-ds",
    )
    assert result.status == 0, result.message
    return float(result.fun) / count


def _alike(world: World) -> list[Integers]:
    """Crews that nothing tells apart, together: the same home, zone, duty and beginning."""
    crews = world.crews
    groups: dict[tuple[object, ...], list[int]] = {}
    for crew in range(len(crews.free_at_s)):
        waits = bool(
            crews.free_at_s[crew] <= 0
            and world.travel.back_s(
                crews.latitude_deg[crew : crew + 1],
                crews.longitude_deg[crew : crew + 1],
                crews.home_latitude_deg[crew : crew + 1],
                crews.home_longitude_deg[crew : crew + 1],
            )[0]
            <= -crews.free_at_s[crew]
        )
        key: tuple[object, ...] = (
            float(crews.home_latitude_deg[crew]),
            float(crews.home_longitude_deg[crew]),
            int(crews.zone[crew]),
            crews.duty[crew],
            "at home"
            if waits
            else (float(crews.free_at_s[crew]), float(crews.latitude_deg[crew]), float(crews.longitude_deg[crew])),
        )
        groups.setdefault(key, []).append(crew)
    return [np.array(members) for members in groups.values()]


def _flow(world: World, members: Integers, cap_s: float, offset: int, arcs: _Arcs, *, late: bool) -> int:
    """The network of crews that are alike. Returns its number of nodes; its first one is where their flow begins.

    Nodes: 0 the beginning; 1…n at home when the n-th call comes; n+1…2n at a call reached from home at once; 2n+1…3n at a call
    reached otherwise.
    """
    calls, crews, travel = world.calls, world.crews, world.travel
    crew = int(members[0])
    count = len(calls.at_s)
    release = np.maximum(calls.at_s, 0.0)
    allowed = may_go(calls, crews)[:, crew]
    duty = crews.duty[crew]
    places = travel.flat_m(calls.latitude_deg, calls.longitude_deg)
    home = travel.flat_m(crews.home_latitude_deg[crew], crews.home_longitude_deg[crew])
    begins = travel.flat_m(crews.latitude_deg[crew], crews.longitude_deg[crew])
    from_home_s = calls.turnout_s + travel.lasts_s(np.hypot(*(places - home).T))
    # A crew at home is sent at once, or the moment its shift begins.
    sent_home = _on_duty_from(duty, release)
    respond_s = sent_home - calls.at_s + from_home_s
    direct = allowed & (respond_s <= cap_s)
    ends_direct = np.where(direct, sent_home + from_home_s + calls.work_s, NEVER)

    pace = travel.speed_mps / travel.detour
    origins = np.vstack((begins[None, :], places, places))
    free_s = np.concatenate(([crews.free_at_s[crew]], ends_direct, np.full(count, NEVER)))
    reached = np.concatenate(([True], direct, np.zeros(count, dtype=np.bool_)))
    earliest = np.full(count, NEVER)
    order = np.arange(count)
    home_m = np.hypot(*(origins - home).T)
    # Earliest ends of calls reached otherwise, settled until nothing gets earlier: an end depends on ends before it.
    pairs_tail: Integers = np.zeros(0, dtype=np.int64)
    pairs_call: Integers = np.zeros(0, dtype=np.int64)
    pairs_cost: Floats = np.zeros(0)
    for _ in range(20):
        tails = np.flatnonzero(reached)
        free = free_s[tails][:, None]
        ready = np.maximum(release[None, :], free)
        # A crew that is back home when the call comes is on the arcs from home.
        away = (ready - free) * pace < home_m[tails][:, None] + 1e-6
        sent = _on_duty_from(duty, ready)
        possible = away & allowed[None, :] & (sent - calls.at_s[None, :] + calls.turnout_s[None, :] <= cap_s)
        possible &= np.concatenate(([-1], order, order))[tails][:, None] != order[None, :]
        row, call = np.nonzero(possible)
        gone_m = np.minimum((sent[row, call] - free[row, 0]) * pace, home_m[tails[row]])
        near_m = _to_segment_m(places[call], origins[tails[row]], home, gone_m, home_m[tails[row]])
        arrives = sent[row, call] + calls.turnout_s[call] + travel.lasts_s(near_m)
        cost = arrives - calls.at_s[call]
        fits = cost <= cap_s
        pairs_tail, pairs_call, pairs_cost = tails[row[fits]], call[fits], cost[fits]
        before = earliest.copy()
        np.minimum.at(earliest, pairs_call, arrives[fits])
        if (earliest >= before - 1e-6).all():
            break
        free_s[1 + count :] = earliest + calls.work_s
        reached[1 + count :] = np.isfinite(earliest)
    else:
        raise AssertionError("ends of calls depend on each other in a circle")

    def cost_of(response: Floats) -> Floats:
        return np.zeros_like(response) if late else response

    home_node = offset + 1
    rows = np.flatnonzero(direct)
    arcs.add(home_node + rows, offset + 1 + count + rows, cost_of(respond_s[rows]), rows)
    # Along the time at home.
    arcs.add(home_node + order[:-1], home_node + order[1:], np.zeros(count - 1), np.full(count - 1, -1))
    arcs.add(home_node + order[-1:], np.array([-1]), np.zeros(1), np.array([-1]))
    node_of = np.concatenate(([offset], offset + 1 + count + order, offset + 1 + 2 * count + order))
    arcs.add(node_of[pairs_tail], offset + 1 + 2 * count + pairs_call, cost_of(pairs_cost), pairs_call)
    # Home again: at the first call that comes after.
    tails = np.flatnonzero(reached)
    back = free_s[tails] + home_m[tails] / pace
    at = np.searchsorted(release, back - 1e-6)
    arcs.add(
        node_of[tails],
        np.where(at < count, home_node + np.minimum(at, count - 1), -1),
        np.zeros(len(tails)),
        np.full(len(tails), -1),
    )
    return 1 + 3 * count


def _on_duty_from(duty: tuple[tuple[float, float], ...], at_s: Floats) -> Floats:
    """The first instants from `at_s` on that lie in a shift; never where no shift follows."""
    first = np.full_like(at_s, NEVER)
    for begins_s, ends_s in reversed(duty):
        first = np.where(at_s < ends_s, np.maximum(at_s, begins_s), first)
    return first


def _to_segment_m(places: Floats, origins: Floats, home: Floats, gone_m: Floats, home_m: Floats) -> Floats:
    """From each place to the part of the way from `origins` home that begins there and is `gone_m` long."""
    whole = np.maximum(home_m, 1e-9)
    along = (home - origins) / whole[:, None]
    share = np.clip(np.einsum("ij,ij->i", places - origins, along), 0.0, gone_m)
    nearest = origins + along * share[:, None]
    distance: Floats = np.hypot(*(places - nearest).T)
    return distance
