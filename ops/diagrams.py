"""Draws the life cycles in ARCHITECTURE.md from the tables that the code obeys, so that the two cannot say different things.

`python -m ops.diagrams` rewrites the parts between `<!-- diagram: NAME -->` and `<!-- end -->`; a test holds that there is
nothing to rewrite.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from core import crew, delivery, incident, patrol
from core.delivery import DeliveryState
from core.vocabulary import AssignmentState, CrewState, IncidentState
from protocols.dispatch import session
from protocols.ingest import state

ARCHITECTURE_MD: Final = Path(__file__).parents[1] / "ARCHITECTURE.md"
_PART: Final = re.compile(r"(?<=<!-- diagram: )(?P<name>[\w ]+)(?P<arrow> -->\n)(?P<body>.*?)(?=<!-- end -->)", re.DOTALL)

Move = tuple[str, str, str]
"""From, to, and by what; the last may be empty."""


def rewritten(text: str) -> str:
    """`text` with every diagram drawn anew. Raises `KeyError` for a diagram nobody knows."""
    return _PART.sub(lambda part: f"{part['name']}{part['arrow']}{DIAGRAMS[part['name']]}\n", text)


def drawn(first: str, states: Iterable[str], moves: Iterable[Move]) -> str:
    """A Mermaid state diagram. Moves between the same two states share an arrow; a state without a way out is an end."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for before, after, cause in moves:
        arrows.setdefault((before, after), []).append(cause)
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {first}"]
    for (before, after), causes in arrows.items():
        label = ", ".join(filter(None, causes))
        lines.append(f"    {before} --> {after}" + (f": {label}" if label else ""))
    left = {before for before, _ in arrows}
    lines += [f"    {each} --> [*]" for each in states if each not in left]
    return "\n".join([*lines, "```"])


def _incident() -> str:
    order = list(IncidentState)
    moves = [(a.value, b.value, "") for a in order for b in order if b in incident.MOVES[a]]
    return drawn(IncidentState.OPENED.value, [each.value for each in order], moves)


def _assignment() -> str:
    order = list(AssignmentState)
    moves = [(a.value, b.value, "") for a in order for b in order if b in incident.ASSIGNMENT_MOVES[a]]
    return drawn(AssignmentState.OFFERED.value, [each.value for each in order], moves)


def _crew() -> str:
    order = list(CrewState)
    moves = [(a.value, b.value, "") for a in order for b in order if b in crew.MOVES[a]]
    return drawn(CrewState.OFF_DUTY.value, [each.value for each in order], moves)


def _delivery() -> str:
    order = list(DeliveryState)
    moves = [(a.value, b.value, "") for a in order for b in order if b in delivery.MOVES[a]]
    return drawn(DeliveryState.HELD.value, [each.value for each in order], moves)


def _patrol() -> str:
    order = list(patrol.PatrolPhase)
    moves = [(a.value, b.value, "") for a in order for b in order if b in patrol.MOVES[a]]
    return drawn(patrol.PatrolPhase.OFF_TIMETABLE.value, [each.value for each in order], moves)


def _ingest_session() -> str:
    moves = [(a.value, b.value, happening.value) for a, after in state.MOVES.items() for happening, b in after.items()]
    return drawn(state.SessionState.AWAITING_HELLO.value, [each.value for each in state.MOVES], moves)


def _dispatch_session() -> str:
    moves = [
        (a.value, b.value, str(message.__struct_config__.tag))
        for a, after in session.MOVES.items()
        for message, b in after.items()
    ]
    return drawn(session.State.GREETING.value, [each.value for each in session.MOVES], moves)


DIAGRAMS: Final[dict[str, str]] = {
    "incident": _incident(),
    "assignment": _assignment(),
    "crew": _crew(),
    "delivery": _delivery(),
    "patrol": _patrol(),
    "ingest session": _ingest_session(),
    "dispatch session": _dispatch_session(),
}


if __name__ == "__main__":
    ARCHITECTURE_MD.write_text(rewritten(ARCHITECTURE_MD.read_text(encoding="utf-8")), encoding="utf-8")
