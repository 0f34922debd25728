"""`jedel serve` with faults in it that sleep until they are called from outside, for the alerts that tell of jedel's own.

Place in the flow: what `Service` runs in the place of the command line. Rules: the product knows nothing of it, and a fault
that has not been called changes nothing. What calls them:

- a call in the words `POISON`, or an order to open an incident in them: the engine fails on it, in every process;
- a call in the words `ENDLESS`: the engine computes for ever, of which it may do `STUCK_S` here;
- a plate read by `HOARDED`: the engine keeps a mebibyte for ever of each batch that has one, up to `HOARD_MAX_BYTES`;
- `STICK`: the thread of both loops stands still, and other threads go on;
- `SHIFT`: the process's clock is `SHIFT_S` ahead of the machine's, and at the next one right again.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from core.category import Category
    from core.decisions import Decisions
    from core.facts import CategoryReason
    from core.instant import Micros
    from core.state import Batch

FAULTY: Final = "import sys; from tests.end_to_end.faulty import main; sys.exit(main())"
"""The program of such a process."""
POISON: Final = "words on which the engine fails"
ENDLESS: Final = "words on which the engine computes for ever"
STUCK_S: Final = 1.0
HOARDED: Final = "cam-hoarded"
HOARD_MAX_BYTES: Final = 256 * 1024**2
STICK: Final = signal.SIGUSR1
SHIFT: Final = signal.SIGUSR2
SHIFT_S: Final = 3600

_MEBIBYTE: Final = 1024**2


def main() -> int:
    """Serves as `jedel serve` does, with the faults asleep. Returns the exit status."""
    _make_clock_shift()
    signal.signal(STICK, lambda *_: threading.Event().wait())
    # Whoever reads the clock is imported after it has been made to shift.
    from core import limits
    from ops.cli import main as serve

    limits.ENGINE_STUCK_S = STUCK_S  # type: ignore[misc]
    _poison()
    _make_hoard()
    return serve(sys.argv[1:])


def _make_clock_shift() -> None:
    """Everything of ours that reads the wall clock reads these two."""
    right_s, right_ns = time.time, time.time_ns
    ahead_s = 0

    def shift(*_: object) -> None:
        nonlocal ahead_s
        ahead_s = SHIFT_S - ahead_s

    time.time = lambda: right_s() + ahead_s
    time.time_ns = lambda: right_ns() + ahead_s * 10**9
    signal.signal(SHIFT, shift)


def _poison() -> None:
    from core.category import CategoryTable
    from core.events import Call
    from core.vocabulary import Mode

    right = CategoryTable.classify

    def classify(self: CategoryTable, event: Call, mode: Mode = Mode.DAILY) -> tuple[Category, CategoryReason] | None:
        if isinstance(event, Call) and event.words == POISON:
            raise ZeroDivisionError("planted")
        while isinstance(event, Call) and event.words == ENDLESS:
            pass
        return right(self, event, mode)

    CategoryTable.classify = classify  # type: ignore[method-assign,assignment]


def _make_hoard() -> None:
    from core.engine import Engine
    from core.events import PlateRead

    right = Engine.handle
    hoard: list[bytes] = []

    def handle(self: Engine, batch: Batch, now_us: Micros) -> Decisions | None:
        items = (item for chunk in batch.chunks for item in chunk.items)
        is_called = any(isinstance(item, PlateRead) and item.camera == HOARDED for item in items)
        if is_called and len(hoard) * _MEBIBYTE < HOARD_MAX_BYTES:
            # Of ones: the system gives no memory for zeros that nobody has written.
            hoard.append(b"\x01" * _MEBIBYTE)
        return right(self, batch, now_us)

    Engine.handle = handle  # type: ignore[method-assign]
