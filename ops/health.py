"""Whether the process lives and whether it is ready, each no with its reason: judged from what the threads leave to be read.

Place in the flow: beside it. `ops.serve` and `ops.life` say how far the process is, `ops.health_server` answers with it from a
thread of its own. Rules: a standby lives and is not ready; a process is alive unless a loop stands still, for a database that
is away is no reason to start it anew; judging reads numbers, waits for nobody and takes no lock.
"""

from __future__ import annotations

from collections import Counter
from time import monotonic
from typing import Final

import msgspec

from core import limits
from core.inlet import Inlet
from core.vocabulary import Word
from ops.pulse import Pulse
from storage.errors import StorageReason
from storage.writer import Attempt


class State(Word):
    """How far the process is."""

    STARTING = "starting"
    """It asks the database for the lock on the centre."""
    STANDBY = "standby"
    """Another process is the active one."""
    RECOVERING = "recovering"
    """It has become the active one, and reads what is committed."""
    ACTIVE = "active"
    DRAINING = "draining"
    STOPPED = "stopped"


class Hindrance(Word):
    """Why the process is not ready, or not alive. The first ones are states."""

    STARTING = "starting"
    STANDBY = "standby"
    RECOVERING = "recovering"
    DRAINING = "draining"
    STOPPED = "stopped"
    DATABASE_AWAY = "database_away"
    """The last try to commit has failed, or the life before ended because the database went."""
    COMMIT_STUCK = "commit_stuck"
    """A commit has been at it for longer than `limits.COMMIT_STUCK_S`, and has not failed."""
    INLET_FULL = "inlet_full"
    """Sources without urgent events are not read."""
    LOOP_STUCK = "loop_stuck"
    """A loop has not turned for longer than `limits.LOOP_STUCK_S`."""


_TEXTS: Final = {
    State.STARTING: "asks the database for the lock on the centre",
    State.STANDBY: "another process is the active one",
    State.RECOVERING: "reads what is committed",
    State.DRAINING: "commits what it took, then stops",
    State.STOPPED: "has stopped",
}


class No(msgspec.Struct, frozen=True):
    """One reason for a no."""

    reason: str
    text: str


class Verdict(msgspec.Struct, frozen=True):
    """An answer of `/livez` or `/readyz`."""

    ok: bool
    state: str
    epoch: int
    reasons: tuple[No, ...]


class Health:
    """How the process is. The deciding thread writes it, but for `failed`, which the writer's does; any thread reads it."""

    def __init__(self, pulse: Pulse) -> None:
        self.state = State.STARTING
        self.epoch = 0
        self.pulse = pulse
        self.inlet: Inlet | None = None
        """The living life's."""
        self.commit_began_s: float | None = None
        """When the commit under way began, by `time.monotonic`."""
        self.failures: Counter[str] = Counter(dict.fromkeys((reason.value for reason in StorageReason), 0))
        """Tries to commit that failed, by `StorageReason`."""
        self._failing: Attempt | None = None
        self._lost = ""
        """Why the last life ended, where the database went; until it is reached again."""

    def became(self, state: State) -> None:
        """The process is in another state."""
        self.state = state
        if state is not State.STARTING:
            # It has reached the database.
            self._lost = ""

    def ended(self, reason: str, text: str) -> None:
        """A life has ended: what it said of its commit is over."""
        self.commit_began_s = self._failing = self.inlet = None
        self._lost = text if reason in _DATABASE else ""

    def failed(self, attempt: Attempt) -> None:
        """A try to commit has failed. Called in the writer's thread."""
        self.failures[attempt.error.reason.value] += 1
        self._failing = attempt

    def committing(self) -> None:
        """A commit begins."""
        self.commit_began_s = monotonic()

    def committed(self) -> None:
        """It is over."""
        self.commit_began_s = self._failing = None

    @property
    def commit_s(self) -> float:
        """How long the commit under way has been at it, 0 where none is."""
        began_s = self.commit_began_s
        return 0.0 if began_s is None else max(0.0, monotonic() - began_s)

    def live(self) -> Verdict:
        """Whether the process does anything at all."""
        return self._verdict(self._stuck())

    def ready(self) -> Verdict:
        """Whether the process takes events, and is likely to commit them soon."""
        return self._verdict([*self._hindered(), *self._stuck()])

    def _verdict(self, reasons: list[No]) -> Verdict:
        return Verdict(not reasons, self.state.value, self.epoch, tuple(reasons))

    def _hindered(self) -> list[No]:
        state, failing, inlet = self.state, self._failing, self.inlet
        found: list[No] = []
        if state is not State.ACTIVE:
            found.append(No(Hindrance(state.value).value, _TEXTS[state]))
        if failing is not None:
            text = f"{failing.number} tries to commit batch {failing.batch_no} have failed: {failing.error.reason.value}"
            found.append(No(Hindrance.DATABASE_AWAY.value, text))
        elif self._lost:
            found.append(No(Hindrance.DATABASE_AWAY.value, self._lost))
        elif self.commit_s > limits.COMMIT_STUCK_S:
            found.append(No(Hindrance.COMMIT_STUCK.value, f"a commit has been at it for {self.commit_s:.1f} s"))
        if inlet is not None and not inlet.has_room:
            found.append(No(Hindrance.INLET_FULL.value, f"{inlet.held_bytes} bytes wait to be decided"))
        return found

    def _stuck(self) -> list[No]:
        # Reading a million incidents back takes the thread for most of a minute, and that is work.
        bound_s = limits.RECOVERY_STUCK_S if self.state is State.RECOVERING else limits.LOOP_STUCK_S
        return [
            No(Hindrance.LOOP_STUCK.value, f"the {loop} loop has not turned for {age_s:.1f} s")
            for loop, age_s in self.pulse.age_s().items()
            if age_s > bound_s
        ]


LOST: Final = "lost"
"""A life's end by the loss of the lock on the centre; the others are storage's reasons and `ENGINE_FAULT`."""
ENGINE_FAULT: Final = "engine_fault"
LIFE_ENDS: Final = (LOST, ENGINE_FAULT, StorageReason.UNREACHABLE.value, StorageReason.FENCED.value)
"""What a life may end of and another one follow."""
_DATABASE: Final = frozenset({LOST, StorageReason.UNREACHABLE.value})
