"""Scenario files for tests: one good file to break, the table they are of, and scenarios drawn at random."""

from __future__ import annotations

from typing import Final

import msgspec
from hypothesis import strategies as st

from core.category import Category, CategoryTable, Names
from core.limits import SCENARIO_TEXT, TERM_S
from core.scenario import ByMode, Chain, CrewNeed, Informed, Instructions, LevelAbove, Scenario, Step
from core.vocabulary import CategoryCode

NAMES: Final = Names(en="A", ru="А", kk="А")
TABLE: Final = CategoryTable((Category("fire", NAMES, 2), Category("other", NAMES, 4)))

CAPABILITIES: Final = """[capability.fire]
kk = "Өрт"
ru = "Пожар"
en = "Fire"
[capability.patrol]
kk = "Жасақ"
ru = "Наряд"
en = "Patrol"
"""

FIRE: Final = """code = "fire"
version = 1
sources = ["NFPA 1710"]
crews = [
  { capability = "fire", number = 2 },
  { capability = "patrol", after_s = 600 },
]
informed = [{ to = "duty_officer", when = "opened" }]
level_above = { missing_s = 300 }

[accept]
within_s = { daily = 60, heightened = 45, emergency = 90 }
steps = [
  { after_s = 0, do = "next_crew" },
  { after_s = 0, do = "tell", to = "shift_lead", repeat_s = 60, repeats = 3 },
  { after_s = 120, do = "ask_level_above" },
]

[crew]
within_s = 30
steps = [{ after_s = 0, do = "tell", to = "person:duty-7" }]

[on_scene]
within_s = 480
steps = [{ after_s = 0, do = "tell", to = "shift_lead" }]

[review]
within_s = 3600
steps = [{ after_s = 0, do = "tell", to = "shift_lead" }]
quiet_s = 60
stop = ["met"]

[instructions]
kk = ["Шығыңыз.", "Есікті жабыңыз."]
ru = ["Выходите.", "Закройте дверь."]
en = ["Get out.", "Close the door."]
"""

OTHER: Final = FIRE.replace('"fire"\nversion', '"other"\nversion')

FILES: Final = {"s/capabilities.toml": CAPABILITIES, "s/fire.toml": FIRE, "s/other.toml": OTHER}


def seconds(least: float = 0) -> st.SearchStrategy[float]:
    return st.floats(least, TERM_S, allow_subnormal=False)


texts = st.text(min_size=1, max_size=20) | st.sampled_from(
    ['"quoted" \\ text', "Есікті жабыңыз. # ]", "\x7f\t'", "x" * SCENARIO_TEXT]
)
by_mode = seconds(0.01).map(ByMode.same) | st.builds(ByMode, seconds(0.01), seconds(0.01), seconds(0.01))


@st.composite
def steps(draw: st.DrawFn) -> tuple[Step, ...]:
    delays = sorted(draw(st.lists(seconds(), min_size=1, max_size=4)))
    made: list[Step] = []
    for after_s in delays:
        to = draw(st.sampled_from(["", "shift_lead", "duty_officer", "level_above", "person:a"]))
        repeat_s, repeats = draw(st.sampled_from([(0.0, 0), (60.0, 3), (0.5, 1000)]))
        do = "tell" if to else draw(st.sampled_from(["next_crew", "ask_level_above"]))
        made.append(msgspec.convert({"after_s": after_s, "do": do, "to": to, "repeat_s": repeat_s, "repeats": repeats}, Step))
    return tuple(made)


chains = st.builds(
    Chain,
    within_s=by_mode,
    steps=steps(),
    quiet_s=seconds(),
    stop=st.sampled_from([(), ("met",), ("acknowledged",), ("acknowledged", "met")]),
)


@st.composite
def scenarios(draw: st.DrawFn, code: str = "fire") -> Scenario:
    """Any scenario that keeps every rule."""
    crews = draw(st.lists(st.builds(CrewNeed, st.sampled_from(["fire", "patrol"]), st.integers(1, 4), seconds()), max_size=4))
    number = draw(st.integers(1, 5))
    said = [tuple(draw(st.lists(texts, min_size=number, max_size=number))) for _ in range(3)]
    told = st.builds(
        Informed, st.sampled_from(["shift_lead", "person:a"]), st.sampled_from(["opened", "assigned", "on_scene", "closed"])
    )
    return Scenario(
        code=CategoryCode(code),
        version=draw(st.integers(1, 1_000_000)),
        sources=tuple(draw(st.lists(texts, min_size=1, max_size=3))),
        crews=tuple(sorted(crews, key=lambda need: need.after_s)),
        accept=draw(chains),
        crew=draw(chains),
        on_scene=draw(chains),
        review=draw(chains),
        instructions=Instructions(*said),
        informed=tuple(dict.fromkeys(draw(st.lists(told, max_size=3)))),
        level_above=draw(st.builds(LevelAbove, st.integers(0, 9), seconds())),
    )
