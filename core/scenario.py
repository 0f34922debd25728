"""Scenario: what a centre does about a category of incident, and when (CITY-4, CITY-7).

A scenario says which crews go, at once and later; how long each may take; what happens, step by step, when a term has passed;
what is read out to the caller; who is told; and when the level above is asked. Its terms may differ with the centre's mode. It
is data: `core.scenario_file` reads it from TOML, and the engine acts by it. It is versioned: an incident goes by the version
it was opened under, whatever is edited since. So this module knows of nothing but words, and a scenario is a plain value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec
from msgspec import Meta

from core.limits import SCENARIO_CREWS, SCENARIO_LINES, SCENARIO_TEXT, TERM_S
from core.vocabulary import PRIORITY_LOWEST, CategoryCode, Mode

if TYPE_CHECKING:
    from core.category import CategoryTable

Seconds = Annotated[float, Meta(ge=0, le=TERM_S)]
CategoryWord = Annotated[CategoryCode, Meta(pattern=r"^[a-z][a-z0-9_]{0,63}$", description="lower-case letters, digits and _")]
Capability = Annotated[
    str, Meta(pattern=r"^[a-z][a-z0-9_]{0,63}$", description="a capability: lower-case letters, digits and _")
]
_RECIPIENT: Final = r"^(shift_lead|duty_officer|level_above|person:[^\s:]{1,64})$"
_RECIPIENTS: Final = "shift_lead, duty_officer, level_above or person:ID"
Recipient = Annotated[str, Meta(pattern=_RECIPIENT, description=_RECIPIENTS)]
Sentence = Annotated[str, Meta(min_length=1, max_length=SCENARIO_TEXT, description=f"text of 1 to {SCENARIO_TEXT} characters")]
Sentences = Annotated[tuple[Sentence, ...], Meta(min_length=1, max_length=SCENARIO_LINES)]


class ScenarioError(Exception):
    """Scenarios cannot be used. `faults` are all that is wrong, each with file, line, field, value and what is allowed."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


class ByMode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A number for each mode the centre may be in. In TOML: one number for all, or a table of the three."""

    daily: float
    heightened: float
    emergency: float

    @classmethod
    def same(cls, value: float) -> ByMode:
        """One number whatever the mode."""
        return cls(value, value, value)

    def at(self, mode: Mode) -> float:
        """The number in this mode."""
        value: float = getattr(self, mode.value)
        return value


class CrewNeed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """So many crews of one capability."""

    capability: Capability
    number: Annotated[int, Meta(ge=1, le=SCENARIO_CREWS)] = 1
    after_s: Seconds = 0.0
    """Seconds from the incident's opening; 0 is at once. A later one is asked for if the incident is still open then."""


class Wave(msgspec.Struct, frozen=True):
    """The crews that are asked for at the same time."""

    after_s: float
    needs: tuple[str, ...]
    """Capabilities, one a crew."""


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that happens after a term has passed."""

    after_s: Seconds
    """Seconds from the passing of the term; no less than the step before it."""
    do: Literal["next_crew", "tell", "ask_level_above"]
    """`next_crew` looks for another crew in place of the one waited for, those that refused before among them."""
    to: Annotated[str, Meta(pattern=_RECIPIENT.replace(")$", ")?$"), description=_RECIPIENTS)] = ""
    """Whom `tell` tells; empty for the others."""
    repeat_s: Seconds = 0.0
    """Seconds between its repetitions."""
    repeats: Annotated[int, Meta(ge=0, le=1000)] = 0
    """How often it is done again, until what stops the chain."""


class Chain(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A term, and what happens step by step once it has passed."""

    within_s: ByMode
    """How long the term runs."""
    steps: Annotated[tuple[Step, ...], Meta(min_length=1, max_length=SCENARIO_LINES)]
    quiet_s: Seconds = 0.0
    """The same recipient is not told again about the same incident and term within it."""
    stop: tuple[Literal["acknowledged", "met"], ...] = ("acknowledged", "met")
    """What ends it early: somebody acknowledges, or what the term waits for happens."""


class Instructions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is read out to the caller, sentence by sentence in this order."""

    kk: Sentences
    ru: Sentences
    en: Sentences


class Informed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody who is told of the incident as it goes on (CITY-5)."""

    to: Recipient
    when: Literal["opened", "assigned", "on_scene", "closed"]


class LevelAbove(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When the level above is asked for help without anybody's doing; a chain's step may ask it besides (CITY-13)."""

    priority: Annotated[int, Meta(ge=0, le=PRIORITY_LOWEST)] = 0
    """At once for an incident of this priority or a more urgent one (1 is the most urgent); 0 is never."""
    missing_s: Seconds = 0.0
    """When a crew asked for so many seconds ago is still missing, in whatever mode; 0 is never."""


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The response algorithm of one category, at one version."""

    code: CategoryWord
    """The category's code."""
    version: Annotated[int, Meta(ge=1, le=1_000_000)]
    """Raised with every change; an incident keeps the version it was opened under."""
    sources: Annotated[tuple[Sentence, ...], Meta(min_length=1, max_length=SCENARIO_LINES)]
    """What its numbers and sentences rest on."""
    crews: Annotated[tuple[CrewNeed, ...], Meta(max_length=SCENARIO_LINES)]
    accept: Chain
    """A crew accepts its task."""
    crew: Chain
    """A crew is found for every need."""
    on_scene: Chain
    """An assigned crew is on scene."""
    review: Chain
    """The owner looks again at an incident that is still open."""
    instructions: Instructions
    informed: Annotated[tuple[Informed, ...], Meta(max_length=SCENARIO_LINES)] = ()
    level_above: LevelAbove = LevelAbove()

    @property
    def key(self) -> str:
        """Code and version, as an incident remembers them: `fire@3`."""
        return f"{self.code}@{self.version}"

    def serving(self, code: CategoryCode, needs: tuple[str, ...]) -> Scenario:
        """These terms and chains for a category that has no scenario of its own, with other crews at once and none later."""
        crews = tuple(CrewNeed(capability, number) for capability, number in Counter(needs).items())
        return msgspec.structs.replace(self, code=code, crews=crews)

    @property
    def needs(self) -> tuple[str, ...]:
        """Capabilities of the crews that go at once, one a crew, in the file's order."""
        return tuple(need.capability for need in self.crews if not need.after_s for _ in range(need.number))

    @property
    def later(self) -> tuple[Wave, ...]:
        """The waves after the first, earliest first."""
        waves: dict[float, tuple[str, ...]] = {}
        for need in sorted(self.crews, key=lambda need: need.after_s):
            if need.after_s:
                waves[need.after_s] = (*waves.get(need.after_s, ()), *(need.capability,) * need.number)
        return tuple(Wave(after_s, needs) for after_s, needs in waves.items())


class CapabilityName(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A capability as people read it."""

    kk: Sentence
    ru: Sentence
    en: Sentence


class ScenarioSet:
    """The scenarios of a centre: the current one of each category, and the older versions that incidents may still go by.

    Immutable. Every category of the table has exactly one current scenario.

    Args:
        scenarios: the current ones.
        table: the centre's categories.
        capabilities: the centre's capabilities, by code.
        older: versions before the current ones.
        places: file and line of each category's version, for what is said about it.

    Raises:
        ScenarioError: a category has none or two, or one is of no category.
    """

    def __init__(
        self,
        scenarios: Iterable[Scenario],
        table: CategoryTable,
        capabilities: Mapping[str, CapabilityName],
        older: Iterable[Scenario] = (),
        places: Mapping[str, str] | None = None,
    ) -> None:
        self._current: dict[str, Scenario] = {}
        faults: list[str] = []
        for scenario in scenarios:
            if scenario.code in self._current:
                faults.append(f"category {scenario.code} has two scenarios")
            if scenario.code not in table:
                faults.append(f"scenario {scenario.code}: there is no such category")
            self._current[scenario.code] = scenario
        faults += [f"category {code} has no scenario" for code in table if code not in self._current]
        if faults:
            raise ScenarioError(faults)
        self._default = self._current[table.default.code]
        self._by_key = {scenario.key: scenario for scenario in (*older, *self._current.values())}
        self.capabilities = dict(capabilities)
        self.places = dict(places or {})

    def __getitem__(self, code: str) -> Scenario:
        """The current scenario of a category; the default category's for a code that an older table had."""
        return self._current.get(code, self._default)

    def __iter__(self) -> Iterator[Scenario]:
        """The current ones, in the order they were given."""
        return iter(self._current.values())

    def __len__(self) -> int:
        return len(self._current)

    def at(self, key: str) -> Scenario:
        """The scenario of a `Scenario.key`; the current one of its category where that version is known no more."""
        return self._by_key.get(key) or self[key.partition("@")[0]]
