"""A number with its noun."""

from __future__ import annotations

import pytest

from ops.counted import counted


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 sources"), (1, "1 source"), (2, "2 sources"), (11, "11 sources"), (1_001, "1,001 sources")]
)
def test_noun_is_plural_when_there_is_not_one(number: int, said: str) -> None:
    assert counted(number, "source") == said
