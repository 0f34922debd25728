"""The gazetteer of a centre that has imported no map yet: it finds nothing and names nothing, and the centre works on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from core.ports import Match


class Unmapped:
    """A `core.ports.Gazetteer` without a map."""

    def search(self, words: str, limit: int = 5) -> list[Match]:
        """Nothing."""
        del words, limit
        return []

    def nearest(self, latitude_deg: npt.NDArray[np.float64], longitude_deg: npt.NDArray[np.float64]) -> list[str]:
        """No address, for as many points as were asked."""
        del longitude_deg
        return [""] * len(latitude_deg)
