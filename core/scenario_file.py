"""Scenario files: one TOML file a category, and `capabilities.toml` beside them (CITY-4, CITY-7).

`read_scenarios` takes all texts of a folder and gives a `ScenarioSet`, or tells everything that is wrong with any of them.
`check_succession` holds what versions are for: an incident goes by the version it was opened under, so what has been in use
under a version is never changed under it. Reading the folder is the caller's.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePath
from typing import Final

import msgspec

from core.category import CategoryTable
from core.limits import SCENARIO_CREWS, TERM_S
from core.scenario import ByMode, Capability, CapabilityName, Chain, Scenario, ScenarioError, ScenarioSet
from core.toml_lines import Path
from core.toml_reading import TomlText, near

CAPABILITIES: Final = "capabilities.toml"
CHAINS: Final = ("accept", "crew", "on_scene", "review")
"""A scenario's chains, by the fields they stand in."""


class _Capabilities(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of `capabilities.toml`."""

    capability: dict[Capability, CapabilityName]


def read_scenarios(texts: Mapping[str, str], table: CategoryTable, older: Iterable[Scenario] = ()) -> ScenarioSet:
    """The scenarios that files say.

    Args:
        texts: content by path; a scenario's file is named for its category, `fire.toml`, and one is `capabilities.toml`.
        table: the centre's categories; each must have its scenario.
        older: versions that incidents may still go by.

    Raises:
        ScenarioError: with every fault of every file.
    """
    faults: list[str] = []
    names = {PurePath(file).name: file for file in texts}
    capabilities: dict[str, CapabilityName] = {}
    known: _Capabilities | None = None
    if CAPABILITIES in names:
        text = TomlText(names[CAPABILITIES], texts[names[CAPABILITIES]])
        known = text.read(_Capabilities)
        capabilities = dict(known.capability) if known is not None else {}
        faults += text.faults
    else:
        faults.append(f"{CAPABILITIES}: is missing; it names the centre's capabilities")
    scenarios: list[Scenario] = []
    places: dict[str, str] = {}
    for name in sorted(names.keys() - {CAPABILITIES}):
        file = names[name]
        text = TomlText(file, texts[file])
        scenario = text.read(Scenario, spread=(ByMode,))
        if scenario is not None:
            for path, wanted in _broken_rules(
                scenario, PurePath(name).stem, table, capabilities if known is not None else None
            ):
                text.blame(path, wanted)
            scenarios.append(scenario)
            places[scenario.code] = f"{file}:{text.line(('version',))}"
        faults += text.faults
    faults += [f"{code}.toml: is missing; category {code} needs a scenario" for code in table if f"{code}.toml" not in names]
    if faults:
        raise ScenarioError(faults)
    return ScenarioSet(sorted(scenarios, key=lambda one: list(table).index(one.code)), table, capabilities, older, places)


def check_succession(old: Iterable[Scenario], new: ScenarioSet) -> list[str]:
    """What is wrong with new scenarios beside those that have been in use, each a line with file, line, field and value.

    A scenario that differs from the newest in use must have a higher version; no version may come back with other content.

    Args:
        old: every version that is stored.
        new: what is to be used from now on.
    """
    stored: dict[str, list[Scenario]] = {}
    for scenario in old:
        stored.setdefault(scenario.code, []).append(scenario)
    faults: list[str] = []
    for scenario in new:
        before = stored.get(scenario.code)
        if before is None:
            continue
        newest = max(before, key=lambda one: one.version)
        if scenario != newest and scenario.version <= newest.version:
            why = "was in use with other content" if scenario.version == newest.version else "is older than the one in use"
            place = new.places.get(scenario.code, f"{scenario.code}.toml")
            faults.append(f"{place}: version = {scenario.version}: {why}; must be {newest.version + 1} or more")
    return faults


def _broken_rules(
    scenario: Scenario, stem: str, table: CategoryTable, capabilities: Mapping[str, CapabilityName] | None
) -> Iterator[tuple[Path, str]]:
    """What several values break together, or a value beside what else the centre has: where, and what is allowed.

    Args:
        scenario: as read.
        stem: the file's name without `.toml`.
        table: the centre's categories.
        capabilities: the centre's capabilities; None where they could not be read.
    """
    if scenario.code not in table:
        yield ("code",), f"is no category of the centre; {near(scenario.code, table)}"
    if scenario.code != stem:
        yield ("code",), f"must be the file's name, {stem}"
    for number, need in enumerate(scenario.crews):
        if capabilities is not None and need.capability not in capabilities:
            yield ("crews", number, "capability"), f"is not in {CAPABILITIES}; {near(need.capability, capabilities)}"
        if number and need.after_s < scenario.crews[number - 1].after_s:
            yield ("crews", number, "after_s"), f"must be {scenario.crews[number - 1].after_s:g} or more, as the line before"
    for needs in (scenario.needs, *(wave.needs for wave in scenario.later)):
        if len(needs) > SCENARIO_CREWS:
            yield ("crews",), f"{len(needs)} crews at the same time; must be at most {SCENARIO_CREWS}"
    for name in CHAINS:
        chain: Chain = getattr(scenario, name)
        for path, wanted in _broken_chain(chain):
            yield (name, *path), wanted
    said = {language: len(getattr(scenario.instructions, language)) for language in scenario.instructions.__struct_fields__}
    for language, count in said.items():
        if count != said["kk"]:
            yield ("instructions", language), f"{count} sentences; must be as many as kk has, {said['kk']}"
    for number, informed in enumerate(scenario.informed):
        if informed in scenario.informed[:number]:
            yield ("informed", number), f"{informed.to} is told when {informed.when} already"


def _broken_chain(chain: Chain) -> Iterator[tuple[Path, str]]:
    for mode in chain.within_s.__struct_fields__:
        if not 0 < getattr(chain.within_s, mode) <= TERM_S:
            yield ("within_s", mode), f"must be a number above 0, up to {TERM_S}"
    for number, step in enumerate(chain.steps):
        if number and step.after_s < chain.steps[number - 1].after_s:
            yield ("steps", number, "after_s"), f"must be {chain.steps[number - 1].after_s:g} or more, as the step before"
        if (step.do == "tell") != bool(step.to):
            allowed = (
                "tell needs shift_lead, duty_officer, level_above or person:ID" if step.do == "tell" else f"{step.do} has none"
            )
            yield ("steps", number, "to"), allowed
        if bool(step.repeats) != bool(step.repeat_s):
            name = "repeat_s" if step.repeats else "repeats"
            yield ("steps", number, name), "must be above 0 where the other of repeat_s and repeats is"
    for what, count in Counter(chain.stop).items():
        if count > 1:
            yield ("stop",), f"{what} stands there {count} times"


def scenario_toml(scenario: Scenario) -> str:
    """A scenario as the text of its file: `read_scenarios` reads the same scenario out of it."""
    lines = [f"{name} = {_literal(getattr(scenario, name))}" for name in ("code", "version")]
    lines += _list("sources", scenario.sources)
    lines += _list("crews", scenario.crews)
    lines += _list("informed", scenario.informed)
    lines += [f"level_above = {_literal(scenario.level_above)}"]
    for name in CHAINS:
        chain: Chain = getattr(scenario, name)
        lines += ["", f"[{name}]", f"within_s = {_literal(chain.within_s)}", *_list("steps", chain.steps)]
        lines += [f"quiet_s = {_literal(chain.quiet_s)}", f"stop = [{', '.join(map(_literal, chain.stop))}]"]
    lines += ["", "[instructions]"]
    for language in scenario.instructions.__struct_fields__:
        lines += _list(language, getattr(scenario.instructions, language))
    return "\n".join(lines) + "\n"


def _list(name: str, items: Iterable[object]) -> list[str]:
    return [f"{name} = [", *(f"  {_literal(item)}," for item in items), "]"]


def _literal(value: object) -> str:
    if isinstance(value, ByMode) and value == ByMode.same(value.daily):
        return _literal(value.daily)
    if isinstance(value, msgspec.Struct):
        # What is as it is when absent is left out, so that a line reads as people write it.
        kept = [field for field in msgspec.structs.fields(value) if getattr(value, field.name) != field.default]
        return "{ " + ", ".join(f"{field.name} = {_literal(getattr(value, field.name))}" for field in kept) + " }"
    # A JSON number, or string but for one character, is a TOML one.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
