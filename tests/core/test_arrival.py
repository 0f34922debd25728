"""When a crew is expected, and explanations that are older than roads."""

from __future__ import annotations

import msgspec
import pytest

from core.arrival import expected_s, straight_line_s
from core.facts import Explanation, PassedOver
from core.vocabulary import AssignReason

WHY = Explanation(AssignReason.FASTEST_BY_ROAD, 1_000.0, (), 240.5)
OLD = b'{"reason":"nearest_capable","distance_m":1000.0,"passed_over":[{"crew":"P-1","distance_m":9.0,"reason":"taken"}]}'


def test_crew_is_expected_when_the_road_says_so_else_by_the_straight_line() -> None:
    assert expected_s(WHY) == 240.5
    assert expected_s(msgspec.structs.replace(WHY, travel_s=None)) == straight_line_s(1_000.0) == pytest.approx(112.0)


def test_explanation_older_than_roads_is_read_and_written_as_it_was() -> None:
    old = msgspec.json.decode(OLD, type=Explanation)
    assert old == Explanation(AssignReason.NEAREST_CAPABLE, 1_000.0, (PassedOver("P-1", 9.0, AssignReason.TAKEN),))
    assert msgspec.json.encode(old) == OLD
    assert msgspec.json.decode(msgspec.json.encode(WHY), type=Explanation) == WHY
