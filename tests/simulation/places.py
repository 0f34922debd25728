"""The small town of the simulation: two square territories, a table of addresses, subscribers, categories and crews."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt
import shapely

from core.category import Category, CategoryTable, Names, Threshold
from core.correlate import CorrelateRules
from core.events import Fix
from core.instant import SECOND_US
from core.patrol import PatrolRoute, PatrolRules, RouteId
from core.patrol_watch import Patrols
from core.plausible import PlausibleRules
from core.ports import Match, Subscriber
from core.recovered import Device
from core.scenario import ByMode, Chain, CrewNeed, Informed, Instructions, LevelAbove, Scenario, ScenarioSet, Step
from core.signal import SignalRules
from core.state import CentreRules
from core.timetable import DAYS, Checkpoint, Shift, Timetable
from core.vocabulary import CategoryCode, CrewId
from protocols.ingest.state import SessionLimits
from routing.patrol_routes import RouteShapes

WEST, EAST = "kz/town/west", "kz/town/east"
SPOTS: Final = tuple(Fix(43.20 + 0.01 * (row % 3), 76.80 + 0.02 * row, 15.0) for row in range(10))
"""Where everything happens; the first five lie in the west, the others in the east."""
_BORDER_DEG: Final = 76.89
ADDRESSES: Final = {f"Abay {2 * number + 1}": spot for number, spot in enumerate(SPOTS)}

RULES: Final = CentreRules(
    centre="town",
    territory="kz/town",
    correlate=CorrelateRules(repeat_window_us=90 * SECOND_US, device_window_us=60 * SECOND_US),
    signal=SignalRules(stale_us=8 * SECOND_US, lost_us=20 * SECOND_US),
    # The town's crews are here and there at once.
    plausible=PlausibleRules(speed_mps=0.0),
    position_interval_us=5 * SECOND_US,
    repeat_quiet_us=10 * SECOND_US,
    is_relieving=True,
)


def _category(code: str, priority: int, needs: tuple[str, ...], words: str = "", **more: tuple[str, ...]) -> Category:
    return Category(
        code=code,
        name=Names(en=code, ru=code, kk=code),
        priority=priority,
        needs=needs,
        radius_m=200.0,
        window_s=60.0,
        words=(words,) if words else (),
        alarms=more.get("alarms", ()),
        analytics=more.get("analytics", ()),
        threshold=(Threshold("methane_percent", 1.0),) if code == "gas" else (),
    )


CATEGORIES: Final = CategoryTable(
    (
        _category("weapon", 1, ("patrol", "patrol", "ambulance"), "shooting"),
        _category("fire", 2, ("fire", "ambulance"), "fire", alarms=("fire",), analytics=("smoke",)),
        _category("gas", 2, ("rescue", "fire"), "gas"),
        _category("assault", 3, ("patrol",), "fight", alarms=("button",), analytics=("fight",)),
        _category("medical", 3, ("ambulance",), "pain"),
        _category("burglary", 5, ("patrol",), "burglar", alarms=("panel",)),
        _category("question", 8, (), "question"),
        _category("other", 4, ("patrol",)),
    )
)


def _chain(within_s: float, *steps: Step, **more: object) -> Chain:
    return Chain(within_s=ByMode(within_s, within_s * 0.8, within_s / 2), steps=steps, **more)  # type: ignore[arg-type]


_NEXT = Step(after_s=0, do="next_crew")
_TELL = Step(after_s=0, do="tell", to="shift_lead")
PLAIN: Final = Scenario(
    code=CategoryCode("other"),
    version=1,
    sources=("the town council",),
    crews=(),
    accept=_chain(20, _NEXT, _TELL),
    crew=_chain(10, _NEXT, _TELL),
    on_scene=_chain(45, _TELL),
    review=_chain(100, _TELL),
    instructions=Instructions(kk=("Күтіңіз.",), ru=("Ждите.",), en=("Wait.",)),
)
"""One step a chain: the next crew and the shift lead."""
LONG: Final = msgspec.structs.replace(
    PLAIN,
    version=2,
    accept=_chain(
        20,
        _NEXT,
        Step(after_s=0, do="tell", to="shift_lead", repeat_s=6, repeats=2),
        Step(after_s=9, do="tell", to="duty_officer"),
    ),
    crew=_chain(
        10,
        Step(after_s=0, do="next_crew", repeat_s=12, repeats=1),
        Step(after_s=0, do="tell", to="shift_lead", repeat_s=3, repeats=4),
        Step(after_s=20, do="ask_level_above"),
        quiet_s=5,
    ),
    on_scene=_chain(45, _TELL, Step(after_s=15, do="next_crew"), Step(after_s=30, do="tell", to="person:chief"), stop=("met",)),
    review=_chain(100, _TELL, Step(after_s=25, do="tell", to="duty_officer"), stop=("acknowledged",)),
    informed=(Informed("duty_officer", "opened"), Informed("shift_lead", "closed")),
    level_above=LevelAbove(priority=1, missing_s=25),
)
"""Chains of several steps, with repetitions and a quiet time."""


def scenarios(base: Scenario, later: tuple[CrewNeed, ...] = ()) -> ScenarioSet:
    """The town's scenarios: each category with its crews, everything else as the base has it."""
    every = [base.serving(CategoryCode(code), CATEGORIES[code].needs) for code in CATEGORIES]
    every = [msgspec.structs.replace(one, crews=(*one.crews, *later)) for one in every]
    return ScenarioSet(every, CATEGORIES, {})


LATER: Final = ((30.0, "patrol"), (70.0, "rescue"))
"""Seconds from the opening, and the crew asked for then."""
SCENARIOS: Final = scenarios(LONG, tuple(CrewNeed(capability, after_s=after_s) for after_s, capability in LATER))
"""What the simulation goes by."""
SESSION_LIMITS: Final = SessionLimits(frame_max_bytes=2048, window_events=10, window_bytes=2048, malformed_run_max=20)
"""Small, so that they are reached."""
WORDS: Final = ("shooting", "fire", "gas leak", "fight", "pain", "burglar", "question", "help", "")
PHONES: Final = ("+77010000001", "87010000002", "77010000003", "+77010000004", "87010000005", "", "12ab", "103")
SUBSCRIBERS: Final = {
    "+77010000001": Subscriber("+77010000001", "Aliya", "mobile", "Abay 3", SPOTS[1].latitude_deg, SPOTS[1].longitude_deg),
    "+77010000002": Subscriber("+77010000002", "Boris", "landline", "Abay 13", None, None),
}
DEVICES: Final = [Device("cam-1", SPOTS[2].latitude_deg, SPOTS[2].longitude_deg, "Abay 5")]
DEVICE_IDS: Final = ("cam-1", "cam-2", "dev-1", "dev-2")


class CrewProfile(msgspec.Struct, frozen=True):
    """What a crew's terminal tells of it."""

    crew: str
    capabilities: tuple[str, ...]
    territory: str
    outside: bool


CREWS: Final = (
    CrewProfile("P-1", ("patrol",), WEST, False),
    CrewProfile("P-2", ("patrol",), EAST, True),
    CrewProfile("P-3", ("patrol", "rescue"), "kz/town", False),
    CrewProfile("A-1", ("ambulance",), "", False),
    CrewProfile("A-2", ("ambulance",), EAST, False),
    CrewProfile("F-1", ("fire", "rescue"), "kz/town", False),
    CrewProfile("F-2", ("fire",), WEST, True),
    # Nobody calls for it, so that it is on its patrol more than others are.
    CrewProfile("H-1", ("horse",), WEST, False),
)


_POINT: Final = Checkpoint(
    name="bank", at="19:14", latitude_deg=SPOTS[0].latitude_deg, longitude_deg=SPOTS[0].longitude_deg, tolerance_s=30
)
ROUTES: Final = (
    PatrolRoute(
        route_id=RouteId("beat"),
        name="Beat",
        width_m=50.0,
        # A run begins at 19:13 and outlasts the first shift.
        timetable=Timetable(
            zone="Asia/Almaty", shifts=(Shift(DAYS, "00:00", "19:15", checkpoints=(_POINT,)), Shift(DAYS, "19:15", "00:00"))
        ),
        crews=tuple(map(CrewId, ("P-1", "P-3", "H-1"))),
        wkb=shapely.to_wkb(shapely.box(76.79, 43.19, 76.87, 43.23)),
    ),
)
"""An area with the first four spots in it."""
PATROL_RULES: Final = PatrolRules(
    off_us=6 * SECOND_US,
    off_positions=3,
    return_positions=1,
    stand_us=12 * SECOND_US,
    start_us=8 * SECOND_US,
    grace_us=8 * SECOND_US,
    silence_us=15 * SECOND_US,
    settle_us=3 * SECOND_US,
)
"""As short as a run is, and for crews that are here and there at once."""


def patrols() -> Patrols:
    """The town's patrols, as a process begins with them."""
    return Patrols(ROUTES, RouteShapes(ROUTES), PATROL_RULES)


class AddressTable:
    """A `core.ports.Gazetteer` of a dozen houses."""

    def search(self, words: str, limit: int = 5) -> list[Match]:
        """The house whose address these words are."""
        spot = ADDRESSES.get(words)
        if spot is None or not limit:
            return []
        return [Match(words, spot.latitude_deg, spot.longitude_deg, 15.0, 100.0, "house")]

    def nearest(self, latitude_deg: npt.NDArray[np.float64], longitude_deg: npt.NDArray[np.float64]) -> list[str]:
        """The house that stands exactly there."""
        houses = {(spot.latitude_deg, spot.longitude_deg): name for name, spot in ADDRESSES.items()}
        return [houses.get(place, "") for place in zip(latitude_deg.tolist(), longitude_deg.tolist(), strict=True)]


class Halves:
    """`core.ports.Territories`: the west and the east of the town."""

    def find(self, latitude_deg: npt.NDArray[np.float64], longitude_deg: npt.NDArray[np.float64]) -> list[str]:
        """West or east of the border; nothing where a place is not in the town."""
        return [
            ("" if not 43.0 < latitude < 43.5 else WEST if longitude < _BORDER_DEG else EAST)
            for latitude, longitude in zip(latitude_deg.tolist(), longitude_deg.tolist(), strict=True)
        ]
