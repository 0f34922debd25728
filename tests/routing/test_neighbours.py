"""Neighbours as arrays: order and ties, edges, and lines of different lengths."""

from __future__ import annotations

import numpy as np

from routing.neighbours import Found, Near, first, joined, ordered, replaced, stacked

INF = np.inf


def test_first_takes_the_lower_rows_when_distances_tie_at_the_limit() -> None:
    rows, chord_squared = first(np.array([9, 4, 7, 2]), np.array([0.5, 0.5, 0.1, 0.5]), 3)
    assert rows.tolist() == [7, 2, 4]
    assert chord_squared.tolist() == [0.1, 0.5, 0.5]


def test_first_gives_all_when_fewer_are_there() -> None:
    assert first(np.array([3, 1]), np.array([0.2, 0.1]), 5)[0].tolist() == [1, 3]


def test_stacked_fills_shorter_lines() -> None:
    assert stacked([np.array([[1, 2]]), np.array([[3], [4]])]).tolist() == [[1, 2], [3, -1], [4, -1]]


def test_joined_adds_only_what_is_nearer_than_the_edge() -> None:
    found = Found(np.array([[1], [2]]), np.array([[0.5], [0.1]]), np.array([0.4, 0.3]))
    more = joined(found, np.array([7, 8]), np.array([[0.39, 0.4], [0.2, 0.1]]))
    assert more.rows.tolist() == [[1, 7, -1], [2, 7, 8]]
    assert more.chord_squared.tolist() == [[0.5, 0.39, INF], [0.1, 0.2, 0.1]]


def test_ordered_sorts_by_distance_then_row_and_counts_what_lies_inside_the_edge() -> None:
    found = Found(np.array([[5, 3, 9, -1]]), np.array([[0.2, 0.2, 0.1, INF]]), np.array([0.2]))
    near = ordered(found)
    assert near.rows.tolist() == [[9, 3, 5, -1]]
    assert near.certain.tolist() == [1]


def test_replaced_widens_and_keeps_the_other_lines() -> None:
    near = Near(np.array([[1], [2]]), np.array([[0.1], [0.2]]), np.array([1, 0]))
    again = Near(np.array([[3, 4]]), np.array([[0.3, 0.4]]), np.array([2]))
    result = replaced(near, np.array([1]), again)
    assert result.rows.tolist() == [[1, -1], [3, 4]]
    assert result.chord_squared.tolist() == [[0.1, INF], [0.3, 0.4]]
    assert result.certain.tolist() == [1, 2]
