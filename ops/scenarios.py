"""The centre's folder of scenario files, read whole; the shipped one where the centre has none of its own (CITY-4, CITY-7)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Final

from core.category import CategoryTable, load_categories
from core.scenario import CapabilityName, Chain, Informed, Scenario, ScenarioError, ScenarioSet, Step
from core.scenario_file import CHAINS, check_succession, read_scenarios
from core.vocabulary import CategoryCode, Mode

SHIPPED: Final = "core/scenarios"
"""How the shipped folder is named to people."""
_WAITED_FOR: Final = {
    "accept": "a crew accepts",
    "crew": "a crew is found",
    "on_scene": "the crew is on scene",
    "review": "looked at again",
}


def load_scenarios(folder: Path | None, table: CategoryTable, older: Iterable[Scenario] = ()) -> ScenarioSet:
    """Reads every `.toml` file of a folder.

    Args:
        folder: the centre's own; None for the shipped one.
        table: the centre's categories; each must have its scenario.
        older: versions that incidents may still go by, as stored.

    Raises:
        ScenarioError: with every fault of every file, or that the folder cannot be read.
    """
    texts: dict[str, str] = {}
    faults: list[str] = []
    where = resources.files("core") / "scenarios" if folder is None else folder
    shown = SHIPPED if folder is None else str(folder)
    try:
        for file in sorted(where.iterdir(), key=lambda file: file.name):
            if file.name.endswith(".toml"):
                try:
                    texts[f"{shown}/{file.name}"] = file.read_bytes().decode("utf-8")
                except UnicodeDecodeError as error:
                    line = file.read_bytes()[: error.start].count(b"\n") + 1
                    faults.append(f"{shown}/{file.name}:{line}: is not UTF-8 text")
    except OSError as error:
        raise ScenarioError([f"{error.filename or shown}: cannot be read: {error.strerror}"]) from error
    if faults:
        raise ScenarioError(faults)
    return read_scenarios(texts, table, older)


def centre_scenarios(folder: str, own_categories: bool, table: CategoryTable, older: Iterable[Scenario] = ()) -> ScenarioSet:
    """What a centre is configured to go by.

    Args:
        folder: its own scenarios, or `""`.
        own_categories: whether it has a table of categories of its own. Without scenarios of its own beside it, a category
            goes by the shipped terms of the same code, or else by those of what is to be clarified, with the crews that the
            table names.
        table: its categories.
        older: versions that incidents may still go by, as stored.

    Raises:
        ScenarioError: as `load_scenarios`.
    """
    if folder or not own_categories:
        return load_scenarios(Path(folder) if folder else None, table, older)
    shipped = load_scenarios(None, load_categories(None))
    suited = [shipped[code].serving(CategoryCode(code), table[code].needs) for code in table]
    return ScenarioSet(suited, table, shipped.capabilities, older)


def settled(scenarios: ScenarioSet, stored: Iterable[Scenario], table: CategoryTable) -> tuple[ScenarioSet, list[str]]:
    """The scenarios to begin with, and what is wrong with those of the files.

    A centre must begin whatever somebody has done to a file: where a version was changed without being raised, the newest one
    that has been in use stays.
    """
    kept = list(stored)
    faults = check_succession(kept, scenarios)
    newest: dict[str, Scenario] = {}
    for scenario in sorted(kept, key=lambda one: one.version):
        newest[scenario.code] = scenario
    current = [newest[one.code] if one.code in newest and newest[one.code].version >= one.version else one for one in scenarios]
    return ScenarioSet(current, table, scenarios.capabilities, kept, scenarios.places), faults


def overview(scenarios: ScenarioSet) -> list[str]:
    """The scenarios of a centre as lines of a table: crews at once and later, terms in daily mode, what is read out."""
    rows: list[tuple[str, ...]] = [("scenario", "at once", "later", "accept", "crew", "on scene", "review", "sentences")]
    for scenario in scenarios:
        later = "; ".join(f"{_count(wave.needs)} after {wave.after_s:g} s" for wave in scenario.later)
        terms = (f"{getattr(scenario, name).within_s.daily:g} s" for name in CHAINS)
        rows.append((scenario.key, _count(scenario.needs), later, *terms, str(len(scenario.instructions.en))))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def described(scenario: Scenario, name: str, capabilities: Mapping[str, CapabilityName], language: str) -> Iterator[str]:
    """One scenario for people, line by line.

    Args:
        scenario: which.
        name: its category's, in the language.
        capabilities: the centre's, for their names.
        language: kk, ru or en, of names and of what is read out; the rest is for those who keep the scenarios.
    """
    names: dict[str, str] = {code: getattr(capability, language) for code, capability in capabilities.items()}
    yield f"{scenario.key}  {name}"
    yield f"at once: {_count(scenario.needs, names) or 'nobody'}"
    for wave in scenario.later:
        yield f"after {wave.after_s:g} s: {_count(wave.needs, names)}"
    for field, waited_for in _WAITED_FOR.items():
        chain: Chain = getattr(scenario, field)
        by_mode = ", ".join(f"{mode.value} {chain.within_s.at(mode):g} s" for mode in Mode)
        yield f"{field}: {waited_for} within {by_mode}; then, until it is {' or '.join(chain.stop) or 'at its end'}:"
        yield from (f"  {_step(step)}" for step in chain.steps)
    yield from (_informed(informed) for informed in scenario.informed)
    above = scenario.level_above
    if above.priority:
        yield f"level above: asked at once for priority {above.priority} and more urgent"
    if above.missing_s:
        yield f"level above: asked when a crew is missing for {above.missing_s:g} s"
    yield "read out:"
    for number, sentence in enumerate(getattr(scenario.instructions, language), 1):
        yield f"  {number}. {sentence}"
    yield "sources:"
    yield from (f"  {source}" for source in scenario.sources)


def _count(needs: tuple[str, ...], names: Mapping[str, str] = MappingProxyType({})) -> str:
    return ", ".join(f"{needs.count(need)} {names.get(need, need)}" for need in dict.fromkeys(needs))


def _step(step: Step) -> str:
    done = f"tell {step.to}" if step.do == "tell" else step.do.replace("_", " ")
    again = f", again every {step.repeat_s:g} s, {step.repeats} times" if step.repeats else ""
    return f"+{step.after_s:g} s: {done}{again}"


def _informed(informed: Informed) -> str:
    return f"told when {informed.when}: {informed.to}"
