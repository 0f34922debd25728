"""Moving points against a plain scan of all of them: the same rows in the same order, whatever has moved and been built."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.geodesy import Floats, chords_squared, unit_vectors
from routing.moving_points import FEW, MovingPoints
from routing.neighbours import Rows

NOWHERE = np.full(3, np.nan)
ALL = "all"


def city(rng: np.random.Generator, count: int, spread_deg: float = 0.2) -> Floats:
    return unit_vectors(43.2 + rng.uniform(-spread_deg, spread_deg, count), 76.9 + rng.uniform(-spread_deg, spread_deg, count))


def filled(points: MovingPoints, places: Floats) -> MovingPoints:
    for row in range(len(places)):
        points.append()
        points.enlist(row, [ALL])
    points.move(np.arange(len(places)), places)
    return points


def scan(places: Floats, at: Floats, want: int) -> list[int]:
    """Rows by squared chord, then by row, of the places that are somewhere."""
    apart = chords_squared(places, at)
    known = [row for row in range(len(places)) if not np.isnan(apart[row])]
    return sorted(known, key=lambda row: (apart[row], row))[:want]


def check_nearest(points: MovingPoints, places: Floats, at: Floats, want: int, layer: str = ALL) -> None:
    members = np.sort(points.members(layer))
    for place, line in zip(at, points.nearest(layer, at, want), strict=True):
        expected = members[scan(places[members], place, len(members))]
        assert len(line.rows) >= min(want, len(expected))
        assert list(line.rows) == expected[: len(line.rows)].tolist()
        assert list(line.chords_squared) == chords_squared(places[expected[: len(line.rows)]], place).tolist()
        assert not line.complete or len(line.rows) == len(expected)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    count=st.integers(1, 60),
    few=st.sampled_from([0, 8, 64]),
    build_toil=st.sampled_from([0, 1, 30]),
    spread_deg=st.sampled_from([0.0, 1e-6, 0.2, 80.0]),
    steps=st.lists(st.sampled_from(["drift", "leap", "vanish", "add", "enlist", "ask"]), max_size=20),
)
def test_nearest_equals_a_scan_whatever_moved(
    seed: int, count: int, few: int, build_toil: int, spread_deg: float, steps: list[str]
) -> None:
    rng = np.random.default_rng(seed)
    places = city(rng, count, spread_deg)
    points = filled(MovingPoints(few, build_toil), places)
    for step in [*steps, "ask"]:
        rows: Rows = rng.permutation(len(places))[: rng.integers(1, len(places) + 1)]
        match step:
            case "drift":
                places[rows] = unit_vectors(*_degrees(places[rows] + rng.normal(0, 1e-6, (len(rows), 3))))
                points.move(rows, places[rows])
            case "leap":
                places[rows] = city(rng, len(rows), spread_deg)
                points.move(rows, places[rows])
            case "vanish":
                places[rows[:3]] = NOWHERE
                points.move(rows[:3], places[rows[:3]])
            case "add":
                places = np.concatenate((places, NOWHERE[None, :]))
                points.append()
            case "enlist":
                for row in rows.tolist():
                    points.enlist(row, [layer for layer in (ALL, "fire", "gas") if rng.random() < 0.6])
            case _:
                layer = str(rng.choice([ALL, "fire", "gas"]))
                check_nearest(points, places, city(rng, 3, spread_deg), int(rng.integers(1, 12)), layer)
        assert (points.is_placed(np.arange(len(places))) == ~np.isnan(places[:, 0])).all()


def _degrees(points: Floats) -> tuple[Floats, Floats]:
    x, y, z = points.T
    return np.degrees(np.arctan2(z, np.hypot(x, y))), np.degrees(np.arctan2(y, x))


def test_nearest_is_exact_at_scale_while_all_drive_and_trees_are_built() -> None:
    rng = np.random.default_rng(5)
    places = city(rng, 3_000)
    points = filled(MovingPoints(), places)
    steps = rng.normal(0, 3e-6, places.shape)
    for tick in range(60):
        rows = rng.permutation(3_000)[:400]
        moved = places[rows] + steps[rows]
        places[rows] = moved / np.linalg.norm(moved, axis=1)[:, None]
        if tick % 20 == 7:
            places[rows[:50]] = city(rng, 50)
        points.move(rows, places[rows])
        check_nearest(points, places, city(rng, 8), 8)
    assert points.builds >= 2


def test_no_tree_is_built_when_points_are_few() -> None:
    rng = np.random.default_rng(2)
    points = filled(MovingPoints(), city(rng, FEW))
    for _ in range(50):
        points.look(ALL, city(rng, 100), 5)
    assert points.builds == 0


def test_a_tree_is_built_when_comparing_has_cost_as_much_and_not_before() -> None:
    rng = np.random.default_rng(2)
    points = filled(MovingPoints(build_toil=30), city(rng, 1_000))
    for _ in range(29):
        points.look(ALL, city(rng, 1), 5)
        assert points.builds == 0
    points.look(ALL, city(rng, 1), 5)
    assert points.builds == 1


def test_look_in_a_layer_finds_its_members_among_many_others() -> None:
    rng = np.random.default_rng(3)
    places = city(rng, 5_000)
    points = filled(MovingPoints(build_toil=0), places)
    rare = np.arange(0, 5_000, 20)
    for row in rare.tolist():
        points.enlist(row, [ALL, "gas"])
    at = city(rng, 5)
    for place, line in zip(at, points.look("gas", at, 4), strict=True):
        assert len(line.rows) >= 4
        assert list(line.rows) == rare[scan(places[rare], place, len(line.rows))].tolist()


def test_look_follows_who_joins_and_leaves_a_layer_after_the_tree_was_built() -> None:
    rng = np.random.default_rng(4)
    places = city(rng, 400)
    points = filled(MovingPoints(build_toil=1), places)
    for row in range(200):
        points.enlist(row, [ALL, "fire"])
    at = places[300:301]
    assert points.look("fire", city(rng, 20), 2)
    assert points.look("fire", at, 2)[0].rows[0] != 300
    points.enlist(300, ["fire"])
    assert points.look("fire", at, 2)[0].rows[0] == 300
    points.enlist(300, [ALL])
    assert points.look("fire", at, 2)[0].rows[0] != 300
    assert points.look(ALL, at, 2)[0].rows[0] == 300
    assert points.builds == 1


@pytest.mark.parametrize("layer", ["nobody", ALL])
@pytest.mark.parametrize("count", [1, FEW + 1])
def test_look_finds_nothing_when_nobody_is_placed(layer: str, count: int) -> None:
    points = filled(MovingPoints(build_toil=0), np.full((count, 3), np.nan))
    (line,) = points.nearest(layer, city(np.random.default_rng(0), 1), 5)
    assert (list(line.rows), line.complete) == ([], True)


def test_one_leap_does_not_blur_what_is_known_of_the_others() -> None:
    rng = np.random.default_rng(6)
    places = city(rng, 1_000)
    points = filled(MovingPoints(build_toil=1), places)
    at = city(rng, 20)
    points.look(ALL, at, 8)
    before = [len(line.rows) for line in points.look(ALL, at, 8)]
    places[0] = unit_vectors(np.array([-33.9]), np.array([151.2]))[0]
    points.move(np.array([0]), places[:1])
    after = [len(line.rows) for line in points.look(ALL, at, 8)]
    assert all(now >= then - 1 for then, now in zip(before, after, strict=True))
