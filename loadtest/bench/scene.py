"""What happens in the benchmarks: one simulated city, its calls, its crews reporting for duty and driving, its plate reads.

Rules: the same city and numbers for every competitor; events are numbered from 1 within a source and carry the present time.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import cache
from random import Random
from typing import Final

import msgspec

from core.events import Call, CrewStatus, Fix, PlateRead, Position
from core.instant import to_datetime
from loadtest.bench.load import Lane, Piece, encode_events, play
from loadtest.city import City
from loadtest.happening import Rates
from loadtest.traffic import Traffic

SEED: Final = 7
STREETS: Final = 160
"""A city of 20 km by 20 km with 50,000 houses: happenings of one minute are mostly far enough apart to be told from another."""
CALLS_LAST_S: Final = 40.0
"""The city's time in which its calls come in, long enough for most second callers and repeated calls to follow."""
CREW_PART: Final = 1_000
"""Reports sent as one piece."""


class Size(msgspec.Struct, frozen=True):
    """How large a run is."""

    subscribers: int
    crews: int
    calls: int
    """Of one round of `ingest_call`."""
    sensor_events: int
    """Of one round of `ingest_sensor`, all connections together."""
    latency_s: float
    lone_calls: int
    open_incidents: tuple[int, ...]
    rounds: int


FULL: Final = Size(
    subscribers=200_000,
    crews=20_000,
    calls=8_000,
    sensor_events=400_000,
    latency_s=10.0,
    lone_calls=500,
    open_incidents=(1_000, 10_000, 100_000, 1_000_000),
    rounds=3,
)
QUICK: Final = Size(
    subscribers=20_000,
    crews=4_000,
    calls=1_500,
    sensor_events=60_000,
    latency_s=3.0,
    lone_calls=100,
    open_incidents=(1_000, 10_000),
    rounds=3,
)
"""To see that everything works; the figures then say little."""


@cache
def city(size: Size) -> City:
    """The city of a size."""
    return City(SEED, districts=8, streets=STREETS, crews=size.crews, cameras=500, subscribers=size.subscribers, panels=200)


def calls(town: City, count: int, seed: int, first_seq: int = 1) -> list[Call]:
    """Calls about happenings all over the city: some have a fix, some a given place, an address in words, or only a number."""
    now_us = time.time_ns() // 1_000
    start_us = now_us - round(CALLS_LAST_S * 1e6)
    rates = Rates(happenings=count / CALLS_LAST_S, panels=0, plates=0, readings=0, analytics=0)
    sent = Traffic(town, rates, seed, start_us).events_until(now_us)
    made = [one.event for one in sent if isinstance(one.event, Call)][:count]
    if len(made) < count:
        raise ValueError(f"only {len(made)} of {count} calls came in {CALLS_LAST_S} s")
    return [
        msgspec.structs.replace(call, seq=seq, call_id=f"T{seq}", at=to_datetime(now_us))
        for seq, call in enumerate(made, first_seq)
    ]


def places(town: City) -> list[Fix]:
    """Where each crew is: somewhere in its own district, since one post for a hundred crews would be no city."""
    rng = Random(SEED)
    by_territory: dict[str, list[int]] = {}
    for crossing in range(len(town.crossings)):
        by_territory.setdefault(town.districts[town.district_of(crossing)].territory, []).append(crossing)
    found = []
    for crew in town.crews:
        place = town.crossings[rng.choice(by_territory[crew.territory])]
        latitude_deg = place.latitude_deg + rng.uniform(-0.001, 0.001)
        found.append(Fix(round(latitude_deg, 6), round(place.longitude_deg + rng.uniform(-0.001, 0.001), 6), 5.0))
    return found


def report_for_duty(lane: Lane, town: City, count: int | None = None) -> None:
    """Has every crew, or the first `count`, report that it is free, what it can do and where; returns when all is committed."""
    at = to_datetime(time.time_ns() // 1_000)
    statuses = [
        CrewStatus(
            seq=seq,
            at=at,
            crew=profile.call_sign,
            status="free",
            capabilities=profile.capabilities,
            territory=profile.territory,
            outside=profile.outside,
            fix=place,
        )
        for seq, (profile, place) in enumerate(list(zip(town.crews, places(town), strict=True))[:count], lane.acked_seq + 1)
    ]
    pieces = [
        Piece(0, lane.source, part[-1].seq, encode_events(part))
        for start in range(0, len(statuses), CREW_PART)
        if (part := statuses[start : start + CREW_PART])
    ]
    receipt = play([lane], pieces)
    if receipt.errors:
        raise ValueError(f"crews were refused: {receipt.errors[:3]}")


def positions(town: City, count: int, first_seq: int) -> Iterator[Position]:
    """Positions of one crew after the other, each a few metres from where it was."""
    rng = Random(SEED)
    at = to_datetime(time.time_ns() // 1_000)
    known = places(town)
    for number in range(count):
        row = number % len(known)
        place = known[row]
        yield Position(
            seq=first_seq + number,
            at=at,
            crew=town.crews[row].call_sign,
            latitude_deg=round(place.latitude_deg + rng.uniform(-0.0002, 0.0002), 6),
            longitude_deg=round(place.longitude_deg + rng.uniform(-0.0002, 0.0002), 6),
            accuracy_m=5.0,
            speed_mps=8.0,
            course_deg=90.0,
        )


def plate_reads(town: City, count: int, first_seq: int, seed: int) -> Sequence[PlateRead]:
    """Plate reads of the city's cameras."""
    rng = Random(seed)
    at = to_datetime(time.time_ns() // 1_000)
    cameras = [device.device_id for device in town.devices if device.kind == "plate_camera"]
    return [
        PlateRead(
            seq=seq,
            at=at,
            camera=cameras[seq % len(cameras)],
            plate=f"{rng.randrange(1, 1000):03d}ABC{rng.randrange(1, 21):02d}",
            confidence=0.97,
        )
        for seq in range(first_seq, first_seq + count)
    ]
