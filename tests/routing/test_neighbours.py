"""Lines of neighbours: order and ties, and what is certain."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import pytest

from routing.neighbours import Line, first, lines_of, nobody


def line_of(rows: list[int], chords_squared: list[float], edge_squared: float) -> Line:
    (line,) = lines_of(np.array([rows]), np.array([chords_squared]), np.array([edge_squared]))
    return line


def test_line_is_ordered_by_distance_then_row() -> None:
    assert line_of([5, 3, 9], [0.2, 0.2, 0.1], inf) == Line([9, 3, 5], [0.1, 0.2, 0.2], True)


@pytest.mark.parametrize(("edge", "rows"), [(0.2, [9]), (0.1, []), (0.21, [9, 3, 5])])
def test_line_ends_before_its_edge(edge: float, rows: list[int]) -> None:
    line = line_of([5, 3, 9], [0.2, 0.2, 0.1], edge)
    assert (line.rows, line.complete) == (rows, False)


@pytest.mark.parametrize("nowhere", [inf, nan])
def test_line_leaves_out_who_is_nowhere(nowhere: float) -> None:
    assert line_of([1, 2], [nowhere, 0.5], inf) == Line([2], [0.5], True)
    assert line_of([1], [nowhere], inf) == Line([], [], True)


def test_lines_of_several_places_are_each_their_own_when_some_are_shorter() -> None:
    lines = lines_of(np.array([[4, 2], [7, 8]]), np.array([[0.3, 0.1], [0.9, 0.2]]), np.array([inf, 0.5]))
    assert list(lines) == [Line([2, 4], [0.1, 0.3], True), Line([8], [0.2], False)]
    assert lines.chords_squared[1].tolist() == [0.2, inf]


def test_nobody_gives_empty_lines_with_a_first_column() -> None:
    lines = nobody(2)
    assert list(lines) == [Line([], [], True)] * 2
    assert lines.rows.shape == (2, 1)


def test_first_takes_the_lower_rows_when_distances_tie_at_the_limit() -> None:
    line = first(np.array([9, 4, 7, 2]), np.array([0.5, 0.5, 0.1, 0.5]), 3)
    assert line == Line([7, 2, 4], [0.1, 0.5, 0.5], False)


@pytest.mark.parametrize("want", [2, 5])
def test_first_gives_all_when_no_more_are_there(want: int) -> None:
    assert first(np.array([3, 1]), np.array([0.2, 0.1]), want) == Line([1, 3], [0.1, 0.2], True)
