"""The benchmark of terms measures something: a heap's cost hardly grows, a list's does."""

from __future__ import annotations

from loadtest.bench.terms import scan_us, term_us


def test_both_ways_fire_what_they_are_asked_to() -> None:
    assert term_us(100, 50, 1) > 0
    assert scan_us(100, 50, 1) > 0
