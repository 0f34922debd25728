"""Arrays as bytes that compress well: the columns of a stored map.

Place in the flow: under `routing.map_data`. Rules: whole numbers are kept as differences down each column; bytes that are not a
column's raise `ValueError`, which the map turns into `MapError`.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int32]
Singles = npt.NDArray[np.float32]


class Column(msgspec.Struct, frozen=True):
    """An array: its shape and its bytes (integers as differences down each column, which compress well)."""

    shape: tuple[int, ...]
    data: bytes


def pack(array: Ints | Singles) -> Column:
    """The column of an array of int32 or float32."""
    if array.dtype == np.int32:
        # Differences wrap around in int32, and so does the sum that undoes them: nothing is lost.
        array = np.diff(array, axis=0, prepend=np.zeros((1, *array.shape[1:]), np.int32))
        return Column(array.shape, np.ascontiguousarray(array.T, "<i4").tobytes())
    return Column(array.shape, array.astype("<f4").tobytes())


def integers(column: Column) -> Ints:
    """The int32 array of a column. Raises `ValueError` where its bytes do not have its shape."""
    differences = np.frombuffer(column.data, "<i4").reshape(column.shape[::-1]).T
    return np.cumsum(differences, axis=0, dtype=np.int32)


def singles(column: Column) -> Singles:
    """The float32 array of a column, of one dimension. Raises `ValueError` where its bytes are no whole numbers of them."""
    return np.frombuffer(column.data, "<f4").astype(np.float32)
