"""A bound on the processor time of work that is all computing: deciding a batch, from which the engine might never return.

Place in the flow: around the engine, in a process that serves. An event on which the engine computes for ever would else stop
this process, and the next one that it is sent to, for no exception tells the quarantine of it. Here it becomes one. Rules:
- Processor time counts, the process's own (ITIMER_VIRTUAL): one that was stopped, or whose machine was, is innocent.
- Work that was only long, on a slow machine, must not end life after life: after an overrun the bound is twice as long, until a
  piece of work has kept it.
- It reaches whatever Python executes. C that never comes back is left to the watchdog of systemd or Kubernetes.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

LONGER: Final = 2.0
"""So many times as long is the bound after each overrun."""
LOOK_AGAIN_S: Final = 0.1
"""After which an overrun is looked for again that fell into what must not be interrupted."""


class OverrunError(Exception):
    """The work took more processor time than it may, and was cut off wherever it was."""


class ProcessorLimit:
    """The bound of one piece of work at a time: `with` it. Made and used on the main thread, one a process: it takes SIGVTALRM.

    Args:
        limit_s: seconds of processor time that a piece of work may take.
    """

    def __init__(self, limit_s: float) -> None:
        self._first_s = limit_s
        self._limit_s = limit_s
        self._works = False
        self._aside = False
        signal.signal(signal.SIGVTALRM, self._passed)

    def __enter__(self) -> None:
        self._works = True
        signal.setitimer(signal.ITIMER_VIRTUAL, self._limit_s)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._works = False
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        if kind is None:
            self._limit_s = self._first_s

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Something else is done in the middle of the work that must not be interrupted."""
        self._aside = True
        try:
            yield
        finally:
            self._aside = False

    def _passed(self, _number: int, _frame: FrameType | None) -> None:
        if self._aside:
            signal.setitimer(signal.ITIMER_VIRTUAL, LOOK_AGAIN_S)
        elif self._works:
            self._works = False
            taken_s, self._limit_s = self._limit_s, self._limit_s * LONGER
            raise OverrunError(f"cut off after {taken_s:g} s of processor time")
