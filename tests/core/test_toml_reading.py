"""TOML into structs: each kind of fault as a person reads it, all of them at once, and nothing but faults for any text."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from core.toml_reading import SHOWN_MAX, TomlText


class Pace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    day: float
    night: float


class Stop(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(pattern=r"^[a-z]+$", description="lower-case letters")]
    minutes: Annotated[int, Meta(ge=1, le=60)] = 1


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: Literal["bus", "tram"]
    pace: Pace
    stops: Annotated[tuple[Stop, ...], Meta(min_length=1, max_length=3)]
    night: bool = False
    notes: dict[Annotated[str, Meta(max_length=2, description="two letters")], Stop] = {}


GOOD = """kind = "bus"
pace = 3.5
stops = [{ name = "a" }, { name = "b", minutes = 2 }]
"""


def faults_of(text: str) -> list[str]:
    toml = TomlText("line.toml", text)
    assert (toml.read(Line, spread=(Pace,)) is None) == bool(toml.faults)
    return toml.faults


def test_read_when_text_is_good() -> None:
    line = TomlText("line.toml", GOOD).read(Line, spread=(Pace,))
    assert line == Line("bus", Pace(3.5, 3.5), (Stop("a"), Stop("b", 2)))


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        (GOOD.replace("3.5", "{ day = 1, night = 2 }"), []),
        (GOOD + "nigth = true\n", ["line.toml:4: nigth: unknown key; did you mean night?"]),
        (GOOD + "x = 1\n", ["line.toml:4: x: unknown key; known: kind, pace, stops, night, notes"]),
        ("\n" + GOOD.replace('kind = "bus"\n', ""), ["line.toml:1: kind: is missing"]),
        (GOOD.replace("3.5", "true"), ["line.toml:2: pace = True: must be a number, or a table of day, night"]),
        (GOOD.replace("3.5", "{\n day = 1 }".replace("\n", "")), ["line.toml:2: pace.night: is missing"]),
        (GOOD.replace("3.5", '{ day = 1, night = "x" }'), ["line.toml:2: pace.night = 'x': must be a number"]),
        (GOOD.replace('"bus"', '"train"'), ["line.toml:1: kind = 'train': must be one of bus, tram"]),
        (GOOD.replace('"a"', '"A"'), ["line.toml:3: stops[0].name = 'A': must be lower-case letters"]),
        (GOOD.replace("2", "61"), ["line.toml:3: stops[1].minutes = 61: must be a whole number from 1 to 60"]),
        (GOOD.replace("2", "2.0"), ["line.toml:3: stops[1].minutes = 2.0: must be a whole number from 1 to 60"]),
        (GOOD.replace("2", "true"), ["line.toml:3: stops[1].minutes = True: must be a whole number from 1 to 60"]),
        (GOOD + "night = 1", ["line.toml:4: night = 1: must be true or false"]),
        (GOOD.replace('{ name = "a" }', '"a"'), ["line.toml:3: stops[0] = 'a': must be a table of name, minutes"]),
        ('kind = "bus"\npace = 1\nstops = []\n', ["line.toml:3: stops: has 0 entries; must have 1 to 3"]),
        ('kind = "bus"\npace = 1\nstops = 7\n', ["line.toml:3: stops = 7: must be an array"]),
        (GOOD + "[notes.abc]\nname = 'a'\n", ["line.toml:4: notes.abc: a key must be two letters"]),
        (GOOD + "[notes.ab]\nname = 1\n", ["line.toml:5: notes.ab.name = 1: must be lower-case letters"]),
        (GOOD + "notes = 1\n", ["line.toml:4: notes = 1: must be a table"]),
        ("kind = \n", ["line.toml:1: is not TOML: Invalid value (at line 1, column 8)"]),
        ('kind = "bus"\n[a', ["line.toml:2: is not TOML: Expected ']' at the end of a table declaration (at end of document)"]),
        (
            "kind = 1\npaces = 2\nstops = [\n  { name = 'a' },\n  { minutes = 0 },\n]\n",
            [
                "line.toml:1: kind = 1: must be one of bus, tram",
                "line.toml:1: pace: is missing",
                "line.toml:2: paces: unknown key; did you mean pace?",
                "line.toml:5: stops[1].name: is missing",
                "line.toml:5: stops[1].minutes = 0: must be a whole number from 1 to 60",
            ],
        ),
    ],
)
def test_read_when_text_is_wrong_tells_every_fault(text: str, faults: list[str]) -> None:
    assert faults_of(text) == faults


def test_read_when_value_is_long_repeats_its_beginning() -> None:
    (fault,) = faults_of(GOOD.replace('"bus"', f'"{"x" * 500}"'))
    assert fault == f"line.toml:1: kind = '{'x' * (SHOWN_MAX - 2)}…: must be one of bus, tram"


def test_blame_when_rule_is_broken_names_the_line_of_the_value_or_of_what_should_hold_it() -> None:
    toml = TomlText("line.toml", GOOD)
    assert toml.read(Line, spread=(Pace,)) is not None
    toml.blame(("stops", 0, "minutes"), "must be told")
    toml.blame(("pace", "day"), "must be less")
    toml.blame(("pace", "night"), "must be less")
    assert toml.faults == ["line.toml:2: pace = 3.5: must be less", "line.toml:3: stops[0].minutes: must be told"]


@given(st.data())
def test_read_when_anything_is_changed_gives_the_struct_or_faults(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(GOOD)))
    text = GOOD[:place] + data.draw(st.text(max_size=8)) + GOOD[place + data.draw(st.integers(0, 12)) :]
    for fault in faults_of(text):
        assert fault.startswith("line.toml:")
