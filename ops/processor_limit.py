"""A bound on the processor time of work that is all computing: deciding a batch, from which the engine might never return.

Place in the flow: around the engine, in a process that serves. An event on which the engine computes for ever would else stop
this process, and the next one that it is sent to, for no exception tells the quarantine of it. Here it becomes one. Rules:
- Processor time counts, the process's own (ITIMER_PROF): one that was stopped, or whose machine was, is innocent.
- Work that is only long, on a slow machine, must not end life after life: after an overrun the bound is twice as long, up to
  `LONGEST` times, until `CALM_WORKS` in a row have kept it.
- It reaches whatever Python executes. C that never comes back is left to the watchdog of systemd or Kubernetes.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

LONGER: Final = 2.0
"""So many times as long is the bound after each overrun,"""
LONGEST: Final = 4.0
"""and no longer than so many times the first one."""
CALM_WORKS: Final = 1_000
"""A centre decides as many batches within a minute or ten."""
LOOK_AGAIN_S: Final = 0.1
"""After which work is cut off again that has gone on: an exception is lost where it is raised in what C has called, as the
collector calls those who watch it. And after which it is looked again whether what must not be interrupted is done."""


class OverrunError(Exception):
    """The work took more processor time than it may, and was cut off wherever it was."""


class ProcessorLimit:
    """The bound of one piece of work at a time: `with` it. Made and used on the main thread, one a process: it takes SIGPROF.

    Args:
        limit_s: seconds of processor time that a piece of work may take.
    """

    def __init__(self, limit_s: float) -> None:
        self._first_s = limit_s
        self._limit_s = limit_s
        self._works = False
        self._overran = False
        self._aside = False
        self._kept = 0
        """Works since the last overrun."""
        signal.signal(signal.SIGPROF, self._passed)

    def __enter__(self) -> None:
        self._overran = False
        self._works = True
        signal.setitimer(signal.ITIMER_PROF, self._limit_s)

    def __exit__(self, *_: object) -> None:
        self._works = False
        signal.setitimer(signal.ITIMER_PROF, 0)
        if self._overran:
            self._kept = 0
            self._limit_s = min(self._limit_s * LONGER, self._first_s * LONGEST)
        else:
            self._kept += 1
            if self._kept >= CALM_WORKS:
                self._limit_s = self._first_s

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Something else is done in the middle of the work that must not be interrupted, but counts."""
        self._aside = True
        try:
            yield
        finally:
            self._aside = False

    def _passed(self, _number: int, frame: FrameType | None) -> None:
        # An exception out of `__exit__` would leave the timer to whatever comes after the work.
        if not self._works or (frame is not None and frame.f_code is ProcessorLimit.__exit__.__code__):
            return
        signal.setitimer(signal.ITIMER_PROF, LOOK_AGAIN_S)
        if not self._aside:
            self._overran = True
            raise OverrunError(f"cut off after {self._limit_s:g} s of processor time")
