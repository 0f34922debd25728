"""The wall clock, read in one place."""

from __future__ import annotations

import time

from core.instant import Micros


def now_us() -> Micros:
    """The present instant."""
    return Micros(time.time_ns() // 1000)
