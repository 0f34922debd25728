"""What goes wrong in one run: drawn from the seed, so that some runs suffer from one fault only and some from all at once."""

from __future__ import annotations

from random import Random

import msgspec

from core.instant import SECOND_US


class Faults(msgspec.Struct):
    """Shares are probabilities of each occasion; intervals are mean times between two faults, 0 for never."""

    cut_interval_us: int = 0
    """A connection breaks, at any byte."""
    late_loss_share: float = 0.0
    """The centre hears of a broken connection only after seconds."""
    crash_interval_us: int = 0
    takeover_interval_us: int = 0
    """The standby becomes active while the old process still believes that it is."""
    jump_interval_us: int = 0
    """A machine's clock jumps."""
    outage_interval_us: int = 0
    """The database is unreachable for a while."""
    flapping_share: float = 0.0
    """Meanwhile a source's connection breaks again and again."""
    fail_before_share: float = 0.0
    """A commit fails and nothing is written."""
    fail_after_share: float = 0.0
    """A commit succeeds and its answer is lost."""
    slow_commit_share: float = 0.0
    bad_frame_share: float = 0.0
    """Malformed frames, unknown kinds and bad fields among a source's events."""
    bad_order_share: float = 0.0
    """A source repeats or skips events, or has lost those it has not sent."""
    nonsense_share: float = 0.0
    """Crews and dispatchers say what cannot be."""
    stall_share: float = 0.0
    """A client stops reading for a while."""

    def cease(self) -> None:
        """Nothing goes wrong any more: the run ends, and everything must come to rest."""
        for name in self.__struct_fields__:
            setattr(self, name, type(getattr(self, name))(0))


def draw(rng: Random) -> Faults:
    """The faults of one run."""

    def share(most: float) -> float:
        return 0.0 if rng.random() < 0.3 else rng.uniform(0.0, most)

    def interval_us(least_s: float, most_s: float) -> int:
        return 0 if rng.random() < 0.3 else int(rng.uniform(least_s, most_s) * SECOND_US)

    return Faults(
        cut_interval_us=interval_us(3, 60),
        late_loss_share=share(1.0),
        crash_interval_us=interval_us(15, 120),
        takeover_interval_us=interval_us(30, 200),
        jump_interval_us=interval_us(20, 120),
        outage_interval_us=interval_us(20, 120),
        flapping_share=share(1.0),
        fail_before_share=share(0.3),
        fail_after_share=share(0.3),
        slow_commit_share=share(0.3),
        bad_frame_share=share(0.2),
        bad_order_share=share(0.1),
        nonsense_share=share(0.3),
        stall_share=share(0.2),
    )
