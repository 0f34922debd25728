"""The bound on processor time: what computes for ever is cut off, and nothing else."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from time import process_time

import pytest

from ops.processor_limit import CALM_WORKS, LONGER, LONGEST, OverrunError, ProcessorLimit

LIMIT_S = 0.05


@pytest.fixture
def limit() -> Iterator[ProcessorLimit]:
    before = signal.getsignal(signal.SIGPROF)
    yield ProcessorLimit(LIMIT_S)
    signal.signal(signal.SIGPROF, before)


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


def bound_of(limit: ProcessorLimit) -> float:
    """After how many seconds work is cut off that never ends."""
    with pytest.raises(OverrunError) as told, limit:
        compute_for_ever()
    return float(str(told.value).split()[3])


def test_after_overruns_the_bound_is_longer_until_many_works_have_kept_it(limit: ProcessorLimit) -> None:
    assert [bound_of(limit) for _ in range(4)] == [LIMIT_S, LIMIT_S * LONGER, LIMIT_S * LONGEST, LIMIT_S * LONGEST]
    for _ in range(CALM_WORKS - 1):
        with limit:
            pass
    assert bound_of(limit) == LIMIT_S * LONGEST
    for _ in range(CALM_WORKS):
        with limit:
            pass
    assert bound_of(limit) == LIMIT_S


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_work_is_cut_off_though_a_first_exception_is_lost_in_what_c_has_called(limit: ProcessorLimit) -> None:
    lost: list[bool] = []

    class Dying:
        def __del__(self) -> None:
            if not lost:
                lost.append(True)
                compute_for_ever()

    with pytest.raises(OverrunError), limit:
        Dying()
        compute_for_ever()
    assert lost
