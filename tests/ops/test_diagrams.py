"""The life cycles drawn in ARCHITECTURE.md are those of the tables."""

from __future__ import annotations

import re

import pytest

from core.incident import MOVES
from core.vocabulary import IncidentState
from ops.diagrams import ARCHITECTURE_MD, DIAGRAMS, drawn, rewritten

TEXT = ARCHITECTURE_MD.read_text(encoding="utf-8")


def test_diagrams_are_those_of_the_tables() -> None:
    assert rewritten(TEXT) == TEXT


def test_every_diagram_stands_in_the_document_once() -> None:
    assert sorted(re.findall(r"<!-- diagram: ([\w ]+) -->", TEXT)) == sorted(DIAGRAMS)


@pytest.mark.parametrize("arrow", ["opened --> queued\n", "offered --> accepted\n", "free --> assigned\n"])
def test_arrow_is_drawn_anew_when_it_was_changed(arrow: str) -> None:
    assert arrow in TEXT
    assert rewritten(TEXT.replace(arrow, "")) == TEXT


def test_every_legal_move_of_an_incident_is_an_arrow_and_no_other() -> None:
    arrows = set(re.findall(r"^    (\w+) --> (\w+)$", DIAGRAMS["incident"], re.MULTILINE))
    legal = {(a, b) for a in IncidentState for b in IncidentState if b in MOVES[a]}
    assert arrows == {(a.value, b.value) for a, b in legal}


def test_moves_between_the_same_states_share_an_arrow() -> None:
    assert drawn("a", ["a", "b"], [("a", "b", "one"), ("a", "b", "two")]).splitlines()[1:-1] == [
        "stateDiagram-v2",
        "    [*] --> a",
        "    a --> b: one, two",
        "    b --> [*]",
    ]
