"""The bound on processor time: what computes for ever is cut off, and nothing else."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from time import process_time

import pytest

from ops.processor_limit import LONGER, OverrunError, ProcessorLimit

LIMIT_S = 0.05


@pytest.fixture
def limit() -> Iterator[ProcessorLimit]:
    before = signal.getsignal(signal.SIGVTALRM)
    yield ProcessorLimit(LIMIT_S)
    signal.signal(signal.SIGVTALRM, before)


def compute(for_s: float) -> None:
    """Computes, and by the process's own account for so long."""
    until_s = process_time() + for_s
    while process_time() < until_s:
        pass


def compute_for_ever() -> None:
    while True:
        pass


def test_work_that_never_ends_is_cut_off(limit: ProcessorLimit) -> None:
    with pytest.raises(OverrunError, match=r"after 0\.05 s"), limit:
        compute_for_ever()


def test_work_that_ends_is_left_alone_and_so_is_what_follows_it(limit: ProcessorLimit) -> None:
    with limit:
        compute(LIMIT_S / 10)
    compute(3 * LIMIT_S)


def test_failure_of_the_work_ends_the_bound_too(limit: ProcessorLimit) -> None:
    with pytest.raises(ZeroDivisionError), limit:
        raise ZeroDivisionError
    compute(3 * LIMIT_S)


def test_what_is_done_aside_is_never_cut_off_but_the_work_after_it_is(limit: ProcessorLimit) -> None:
    told = False
    with pytest.raises(OverrunError), limit:
        with limit.aside():
            compute(3 * LIMIT_S)
            told = True
        compute_for_ever()
    assert told


def test_after_an_overrun_the_bound_is_longer_until_work_has_kept_it(limit: ProcessorLimit) -> None:
    bounds = []
    for ends in (False, False, True, False):
        try:
            with limit:
                if not ends:
                    compute_for_ever()
        except OverrunError as error:
            bounds.append(float(str(error).split()[3]))
    assert bounds == [LIMIT_S, LIMIT_S * LONGER, LIMIT_S]
