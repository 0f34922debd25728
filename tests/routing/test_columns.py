"""Columns come back as they were."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.columns import Column, integers, pack, singles

INT32 = st.integers(-(2**31), 2**31 - 1)


@given(st.lists(st.tuples(INT32, INT32), max_size=9))
def test_integers_come_back_whatever_they_are(rows: list[tuple[int, int]]) -> None:
    array = np.array(rows, np.int32).reshape(-1, 2)
    again = integers(pack(array))
    assert again.dtype == np.int32
    assert np.array_equal(again, array)


@given(st.lists(st.floats(width=32, allow_nan=False), max_size=9))
def test_singles_come_back_whatever_they_are(values: list[float]) -> None:
    array = np.array(values, np.float32)
    assert np.array_equal(singles(pack(array)), array)


@pytest.mark.parametrize("column", [Column((2,), b"\0" * 4), Column((1, 2), b"\0" * 4), Column((1,), b"\0" * 3)])
def test_integers_refuse_bytes_of_another_shape(column: Column) -> None:
    with pytest.raises(ValueError, match=r"reshape|buffer size"):
        integers(column)
