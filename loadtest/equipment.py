"""What the simulated city has to keep it safe: cameras, panels, buttons, sensors and crews.

Place in the flow: outside it; `loadtest.city` calls these once, after its houses and institutions stand. Rules: every draw is
made with the given `rng`; a device's address is the one its register holds. Requirements: CITY-2, CITY-12, CITY-15.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Final, Literal

from loadtest.cadastre import CrewProfile, Device

if TYPE_CHECKING:
    from loadtest.city import City

CREW_SHARES: Final[tuple[tuple[str, str, float, bool], ...]] = (
    ("patrol", "Беркут", 0.50, False),
    ("ambulance", "Жедел", 0.22, True),
    ("fire", "Өрт", 0.14, True),
    ("rescue", "Сақшы", 0.08, True),
    ("gas", "Газ", 0.06, True),
)
"""Capability, call sign, share of all crews, and whether its crews may be sent outside their territory."""


def hang_cameras(city: City, rng: Random, count: int) -> list[Device]:
    """Cameras on crossings; every fourth has analytics, the others read plates."""
    cameras: list[Device] = []
    for number in range(1, count + 1):
        crossing = rng.randrange(len(city.crossings))
        cameras.append(
            Device(
                device_id=f"CAM-{number:06d}",
                kind="plate_camera" if number % 4 else "video_camera",
                place=city.crossings[crossing],
                address=" / ".join(name.ru for name in city.corner(crossing)),
                house=None,
            )
        )
    return cameras


def install_panels(city: City, rng: Random, count: int) -> list[Device]:
    """Alarm panels, emergency buttons, fire detectors and sensors in houses, two fifths of them in institutions."""
    kinds: tuple[Literal["panel", "button", "fire", "gas", "water"], ...] = (
        "panel",
        "button",
        "fire",
        "gas",
        "panel",
        "water",
    )
    panels: list[Device] = []
    for number in range(1, count + 1):
        kind = kinds[number % len(kinds)]
        house = rng.choice(city.institutions).house if rng.random() < 0.4 else rng.randrange(len(city.houses))
        panels.append(
            Device(
                device_id=f"{kind.upper()}-{number:05d}",
                kind=kind,
                place=city.houses[house].place,
                address=city.address(house),
                house=house,
            )
        )
    return panels


def enlist_crews(city: City, rng: Random, count: int) -> list[CrewProfile]:
    """Crews by `CREW_SHARES`, each at a post that suits it; patrols begin anywhere."""
    homes = {
        "ambulance": ("ambulance_station", "hospital"),
        "fire": ("fire_station",),
        "rescue": ("fire_station",),
        "gas": ("fuel",),
    }
    crews: list[CrewProfile] = []
    enlisted = 0
    for number, (capability, sign, share, outside) in enumerate(CREW_SHARES):
        last = number == len(CREW_SHARES) - 1
        wanted = count - enlisted if last else min(count - enlisted, max(1, round(count * share)))
        enlisted += wanted
        posts = [i.house for i in city.institutions if i.kind in homes.get(capability, ())]
        for place in range(wanted):
            crossing = city.houses[posts[place % len(posts)]].crossing if posts else rng.randrange(len(city.crossings))
            also = ("rescue",) if capability == "fire" and place % 3 == 0 else ()
            crews.append(
                CrewProfile(
                    call_sign=f"{sign}-{place + 1:02d}",
                    capabilities=(capability, *also),
                    territory=city.districts[city.district_of(crossing)].territory,
                    outside=outside,
                    crossing=crossing,
                )
            )
    return crews
