"""The load run's own arithmetic; the run itself is `make load`."""

from __future__ import annotations

import msgspec

from loadtest.happening import Rates
from loadtest.load import scaled


def test_everything_happens_so_many_times_as_often_when_the_load_is_scaled() -> None:
    rates = Rates(happenings=2.0, panels=0.5, plates=300.0, readings=100.0, analytics=0.25)
    assert msgspec.structs.asdict(scaled(rates, 4.0)) == {
        "happenings": 8.0,
        "panels": 2.0,
        "plates": 1200.0,
        "readings": 400.0,
        "analytics": 1.0,
    }
