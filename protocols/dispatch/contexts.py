"""Who is asked for the context of an incident: a protocol that the composition root fills, and nobody by default.

Place in the flow: beside it. The session says who may ask and how often, the hub hands the question on and the answer back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from core.context import Context
from protocols.dispatch.message import ContextReason

Answer = Callable[[Context | ContextReason], None]


class Contexts(Protocol):
    """Whoever knows what happened before an incident."""

    def ask(self, incident: int, territory: str, answer: Answer) -> None:
        """Finds out an incident's context, of the earlier incidents in a territory and below it.

        `answer` is called once, before this returns or later, on the loop of who asks.
        """


class NoContexts:
    """Nobody: every question is answered `unavailable`."""

    def ask(self, incident: int, territory: str, answer: Answer) -> None:
        """Answers at once."""
        del incident, territory
        answer(ContextReason.UNAVAILABLE)
