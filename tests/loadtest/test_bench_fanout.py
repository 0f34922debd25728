"""Fan-out as it is measured: what clients are sent, who counts as told in time, and how the highest rate is found."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

import pytest

from loadtest.bench.children import beside
from loadtest.bench.fanout import LOWEST_PER_S, STEP, Held, capacity
from loadtest.bench.fanout_hub import FIRST, TOKEN, call_broadcast, message_of, publish, row_of
from loadtest.bench.pace import Play, Played, play
from loadtest.bench.readers import READY, Delivered, read


@pytest.mark.parametrize(("serving", "token"), [(publish, TOKEN), (call_broadcast, "")])
def test_every_client_is_told_every_update_and_lateness_is_counted(serving: Callable[[Connection], None], token: str) -> None:
    with beside(serving) as server, beside(read, server.recv(), token, 5, 60_000.0) as patient:
        assert patient.recv() == READY
        for first in (FIRST, FIRST + 300):
            asked = Play(first, 300, 3_000.0)
            server.send(asked)
            played: Played = server.recv()
            patient.send((asked, played.started_ns))
            delivered: Delivered = patient.recv()
            assert (delivered.expected, delivered.in_time) == (1_500, 1_500)
            # A heartbeat of the hub may come between.
            assert 5 <= delivered.frames <= 1_510


def test_what_comes_too_late_does_not_count() -> None:
    with beside(publish) as server, beside(read, server.recv(), TOKEN, 2, 1_000.0) as hasty:
        assert hasty.recv() == READY
        asked = Play(FIRST, 50, 5_000.0)
        server.send(asked)
        played: Played = server.recv()
        hasty.send((asked, played.started_ns - 3_600 * 10**9))
        delivered: Delivered = hasty.recv()
        assert (delivered.expected, delivered.in_time) == (100, 0)
        assert delivered.last_ms > 3_600_000


def test_both_are_given_the_same_positions_of_one_length() -> None:
    lengths = {len(message_of(FIRST + number)) for number in range(0, 2_000_000, 9_973)}
    assert len(lengths) == 1
    told = json.loads(message_of(FIRST + 5))
    assert told["cursor"] == told["positions"][0]["at_us"] == row_of(FIRST + 5).at_us == FIRST + 5
    assert told["positions"][0]["crew_id"] == row_of(FIRST + 5).crew_id


@pytest.mark.parametrize("bound", [30.0, 100.0, 12_345.0])
def test_capacity_is_found_from_above_and_from_below(bound: float) -> None:
    for start in (bound / 20, bound * 20):
        found = capacity(lambda rate: Held(rate) if rate <= bound else None, max(LOWEST_PER_S, start))
        assert bound / STEP < found.rate_per_s <= bound


def test_one_failed_trial_does_not_end_the_search() -> None:
    tried: list[float] = []

    def holds(rate: float) -> Held | None:
        tried.append(rate)
        return Held(rate) if rate <= 1_000.0 and len(tried) != 3 else None

    assert capacity(holds, 100.0).rate_per_s > 1_000.0 / STEP


def test_nothing_is_found_where_nothing_holds() -> None:
    assert capacity(lambda rate: None, 1_000.0) == Held(0.0)


def test_updates_are_given_once_each_in_order_and_not_before_they_are_due() -> None:
    asked = Play(7, 200, 4_000.0)
    given: list[tuple[int, int]] = []
    started_ns = asyncio.run(play(asked, lambda numbers: given.extend((number, time.monotonic_ns()) for number in numbers)))
    assert [number for number, _ in given] == list(range(7, 207))
    assert all(at_ns >= asked.due_ns(number, started_ns) for number, at_ns in given)


def test_reader_says_what_kept_it_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        address: tuple[str, int] = nobody.getsockname()
    with beside(read, address, "", 1, 1.0) as reader, pytest.raises(EOFError):
        reader.recv()
