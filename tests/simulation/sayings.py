"""What the simulated sources say: callers, panels, cameras and crews' terminals, each by a function that draws events."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal

from core.events import (
    Alarm,
    AnyEvent,
    Call,
    CallUpdate,
    CrewStatus,
    Fix,
    PlateRead,
    Position,
    SensorReading,
    VideoEvent,
)
from core.instant import to_datetime
from tests.simulation.places import ADDRESSES, CREWS, DEVICE_IDS, PHONES, SPOTS, WORDS

if TYPE_CHECKING:
    from tests.simulation.world import World

Status = Literal[
    "off_duty", "free", "accepted", "declined", "en_route", "on_scene", "cleared", "returning", "busy", "out_of_service"
]
STATUSES: tuple[Status, ...] = (
    "off_duty",
    "free",
    "accepted",
    "declined",
    "en_route",
    "on_scene",
    "cleared",
    "returning",
    "busy",
    "out_of_service",
)


def _now(world: World) -> datetime:
    return to_datetime(world.agenda.now_us - world.agenda.rng.randrange(2_000_000))


def _place(world: World) -> tuple[Fix | None, str, Fix | None]:
    """A fix, an address, a cell sector: one of them, several, or nothing."""
    rng = world.agenda.rng
    spot = rng.choice(SPOTS)
    fix = spot if rng.random() < 0.4 else None
    address = rng.choice([*ADDRESSES, "Nowhere 1"]) if rng.random() < 0.4 else ""
    cell = Fix(spot.latitude_deg, spot.longitude_deg, 3_000.0) if rng.random() < 0.2 else None
    return fix, address, cell


def telephone(world: World) -> list[AnyEvent]:
    """Calls of a few numbers, which call again, and updates of calls, some of which nobody knows."""
    rng = world.agenda.rng
    fix, address, cell = _place(world)
    call_id = f"c{rng.randrange(12)}"
    if rng.random() < 0.3:
        return [
            CallUpdate(seq=1, at=_now(world), call_id=call_id, words=rng.choice(WORDS), fix=fix, address=address, cell=cell)
        ]
    call = Call(
        seq=1,
        at=_now(world),
        phone=rng.choice(PHONES),
        call_id=call_id if rng.random() < 0.7 else "",
        words=rng.choice(WORDS),
        fix=fix,
        address=address,
        cell=cell,
    )
    return [call]


def alarms(world: World) -> list[AnyEvent]:
    """Panels, buttons and fire detectors, which repeat themselves."""
    rng = world.agenda.rng
    kinds: list[Literal["panel", "button", "fire"]] = ["panel", "button", "fire"]
    fix = rng.choice(SPOTS) if rng.random() < 0.8 else None
    alarm = Alarm(
        seq=1, at=_now(world), device=rng.choice(DEVICE_IDS), alarm=rng.choice(kinds), phone=rng.choice(PHONES[:6]), fix=fix
    )
    return [alarm] * (1 + (rng.random() < 0.2))


def cameras(world: World) -> list[AnyEvent]:
    """Plates in bursts, analytics sure and unsure, a gas sensor."""
    rng = world.agenda.rng
    said: list[AnyEvent] = [
        PlateRead(seq=1, at=_now(world), camera="cam-1", plate=f"{rng.randrange(1000):03}ABC02")
        for _ in range(rng.randrange(6))
    ]
    if rng.random() < 0.3:
        analytic = rng.choice(["smoke", "fight", "cat"])
        said.append(
            VideoEvent(
                seq=1,
                at=_now(world),
                camera=rng.choice(DEVICE_IDS),
                analytic=analytic,
                confidence=rng.random(),
                fix=rng.choice([None, *SPOTS]),
            )
        )
    if rng.random() < 0.2:
        said.append(
            SensorReading(
                seq=1,
                at=_now(world),
                device="dev-2",
                quantity="methane_percent",
                value=rng.uniform(0.0, 1.5),
                fix=rng.choice(SPOTS),
            )
        )
    return said


def terminals(world: World) -> list[AnyEvent]:
    """The crews' terminals: they come on duty, move, answer what they see offered, and sometimes talk nonsense."""
    rng = world.agenda.rng
    now = _now(world)
    said: list[AnyEvent] = []
    for profile in CREWS:
        spot = rng.choice(SPOTS)
        if rng.random() < 0.3:
            said.append(
                Position(seq=1, at=now, crew=profile.crew, latitude_deg=spot.latitude_deg, longitude_deg=spot.longitude_deg)
            )
        known = world.crew_state(profile.crew)
        if known in (None, "off_duty", "busy", "out_of_service") and rng.random() < 0.5:
            said.append(
                CrewStatus(
                    seq=1,
                    at=now,
                    crew=profile.crew,
                    status="free",
                    capabilities=profile.capabilities,
                    territory=profile.territory,
                    outside=profile.outside,
                    fix=spot if rng.random() < 0.7 else None,
                )
            )
        elif known in _NEXT and rng.random() < 0.25:
            said.append(CrewStatus(seq=1, at=now, crew=profile.crew, status=rng.choice(_NEXT[known])))
        if world.agenda.chance(world.faults.nonsense_share * 0.2):
            crew = rng.choice([profile.crew, "X-9"])
            incident = rng.choice([None, rng.randrange(1, 30)])
            territory = rng.choice([None, None, profile.territory])
            said.append(
                CrewStatus(seq=1, at=now, crew=crew, status=rng.choice(STATUSES), incident=incident, territory=territory)
            )
    return said


_NEXT: dict[str | None, list[Status]] = {
    "assigned": ["accepted", "accepted", "en_route", "on_scene", "declined"],
    "en_route": ["on_scene", "on_scene", "cleared", "declined"],
    "on_scene": ["cleared", "cleared", "returning"],
    "returning": ["free"],
    "free": ["off_duty", "free", "free", "free"],
}
