"""Lines of neighbours: order and ties, and what is certain."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import pytest

from routing.neighbours import Line, first, line_of, lines_of


def both(rows: list[int], chords_squared: list[float], edge_squared: float) -> tuple[list[int], list[float], bool]:
    """A line made alone and as one of several, which must be the same."""
    (line,) = lines_of(np.array([rows]), np.array([chords_squared]), np.array([edge_squared]))
    alone = line_of(rows, chords_squared, edge_squared)
    assert Line(list(alone.rows), list(alone.chords_squared), alone.complete) == line
    return list(line.rows), list(line.chords_squared), line.complete


def test_line_is_ordered_by_distance_then_row() -> None:
    assert both([5, 3, 9], [0.2, 0.2, 0.1], inf) == ([9, 3, 5], [0.1, 0.2, 0.2], True)


@pytest.mark.parametrize(("edge", "rows"), [(0.2, [9]), (0.1, []), (0.21, [9, 3, 5])])
def test_line_ends_before_its_edge(edge: float, rows: list[int]) -> None:
    told, _, complete = both([5, 3, 9], [0.2, 0.2, 0.1], edge)
    assert (told, complete) == (rows, False)


@pytest.mark.parametrize("nowhere", [inf, nan])
def test_line_leaves_out_who_is_nowhere(nowhere: float) -> None:
    assert both([1, 2], [nowhere, 0.5], inf) == ([2], [0.5], True)
    assert both([1], [nowhere], inf) == ([], [], True)


def test_lines_of_several_places_are_each_their_own_when_some_are_shorter() -> None:
    lines = lines_of(np.array([[4, 2], [7, 8]]), np.array([[0.3, 0.1], [0.9, 0.2]]), np.array([inf, 0.5]))
    assert list(lines) == [Line([2, 4], [0.1, 0.3], True), Line([8], [0.2], False)]
    assert lines.chords_squared[1].tolist() == [0.2, inf]


def test_first_takes_the_lower_rows_when_distances_tie_at_the_limit() -> None:
    line = first(np.array([9, 4, 7, 2]), np.array([0.5, 0.5, 0.1, 0.5]), 3)
    assert line == Line([7, 2, 4], [0.1, 0.5, 0.5], False)


@pytest.mark.parametrize("want", [2, 5])
def test_first_gives_all_when_no_more_are_there(want: int) -> None:
    assert first(np.array([3, 1]), np.array([0.2, 0.1]), want) == Line([1, 3], [0.1, 0.2], True)
