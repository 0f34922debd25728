"""A batch's way in log lines, at level debug: what was decided, that it is committed, who was acknowledged and who was told.

Place in the flow: beside persist, acknowledge and publish. Rules:
- One call is followed by grep: `SOURCE/SEQ` leads to `incident N`, that to `assignment N crew X` and to the batch, and the
  batch to when it was committed, which sources were acknowledged and which clients were told. The words are the glossary's.
- Lines are a batch's, never an event's: what a batch holds stands in lists, cut into lines of at most `LISTED_MAX` entries.
- Below level debug nothing of this exists: `StageLog.where_wanted` gives None, and a batch costs one look at it.
- Nothing that a caller said or that tells where he is: ids, states and reasons only.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Protocol, Self

import structlog

from core.decisions import Decisions, Taken
from core.events import Rejected, Traced
from core.instant import Micros
from core.trace import read_trace
from protocols.dispatch.session import Session

LISTED_MAX: Final = 100
"""Entries of one line: about 8 KB, which every collector of logs takes as one line."""

_log = structlog.get_logger("stages")


class StageWatcher(Protocol):
    """Who wants to know how far a batch is. Called on the host loop, in this order, once a batch; must not block or raise."""

    def decided(self, decisions: Decisions) -> None:
        """It is decided and about to be committed."""

    def committed(self, decisions: Decisions) -> None:
        """It is committed."""

    def acknowledged(self, decisions: Decisions) -> None:
        """Its sources have been told."""

    def published(self, decisions: Decisions) -> None:
        """Its dispatch clients have been told."""


class StageLog:
    """Writes the lines.

    Args:
        sessions: the dispatch clients that are connected.
        now_us: reads the clock, for how long a commit took.
    """

    def __init__(self, sessions: Callable[[], Iterable[Session]], now_us: Callable[[], Micros]) -> None:
        self._sessions = sessions
        self._now_us = now_us

    @classmethod
    def where_wanted(cls, sessions: Callable[[], Iterable[Session]], now_us: Callable[[], Micros]) -> Self | None:
        """A log of the stages, or None where nobody would read it."""
        return cls(sessions, now_us) if _log.is_enabled_for(logging.DEBUG) else None

    def decided(self, decisions: Decisions) -> None:
        """A batch is decided and about to be committed."""
        for kind, entries in (
            ("taken", _taken(decisions.taken)),
            ("events", _events(decisions.taken)),
            ("refused", _refused(decisions.taken)),
            ("facts", _facts(decisions)),
            ("assignments", _assignments(decisions)),
            ("commands", _commands(decisions)),
        ):
            for listed in _cut(entries):
                _log.debug("decided", batch=decisions.batch_no, **{kind: listed})

    def committed(self, decisions: Decisions) -> None:
        """A batch is committed."""
        took_ms = (self._now_us() - decisions.now_us) / 1000
        _log.debug("committed", batch=decisions.batch_no, since_decided_ms=took_ms, incidents=len(decisions.incidents))

    def acknowledged(self, decisions: Decisions) -> None:
        """The batch's sources, as far as they are connected, have been told how far they are committed."""
        for listed in _cut(f"{source}/{seq}" for source, seq in decisions.high_water.items()):
            _log.debug("acknowledged", batch=decisions.batch_no, up_to=listed)

    def published(self, decisions: Decisions) -> None:
        """Dispatch clients have been told, those that can take it; the others are told the newest state when they can."""
        told, behind = [], 0
        for session in self._sessions():
            subscriptions = session.subscriptions.values()
            if any(subscription.told >= decisions.batch_no for subscription in subscriptions):
                told.append(client_of(session))
            behind += any(subscription.pending for subscription in subscriptions)
        about = [f"incident {change.incident_id} v{change.version} {change.state.value}" for change in decisions.incidents]
        for listed in _cut(about):
            _log.debug("published", batch=decisions.batch_no, incidents=listed, clients=told[:LISTED_MAX], behind=behind)


def client_of(session: Session) -> str:
    """How a dispatch client is called in the log: who it is, and the number of its session."""
    return f"{session.client.operator if session.client is not None else '?'}/{session.session_no}"


def _cut(entries: Iterable[str]) -> Iterator[list[str]]:
    whole = list(entries)
    for begin in range(0, len(whole), LISTED_MAX):
        yield whole[begin : begin + LISTED_MAX]


def _taken(taken: Iterable[Taken]) -> Iterator[str]:
    for one in taken:
        numbered = [item.seq for item in one.chunk.items[one.skip :] if item.seq is not None]
        if numbered:
            yield f"{one.chunk.source}/{numbered[0]} to {numbered[-1]}"


def _events(taken: Iterable[Taken]) -> Iterator[str]:
    for one in taken:
        for index, incident_id in one.incidents.items():
            event = one.chunk.items[index]
            trace = read_trace(event.traceparent) if isinstance(event, Traced) and event.traceparent else None
            yield f"{one.chunk.source}/{event.seq} incident {incident_id}" + (f" trace {trace.trace_id}" if trace else "")


def _refused(taken: Iterable[Taken]) -> Iterator[str]:
    for one in taken:
        for index, item in enumerate(one.chunk.items[one.skip :], one.skip):
            refused = item if isinstance(item, Rejected) else one.rejected.get(index)
            if refused is not None:
                # Not its text: that may quote the event.
                yield f"{one.chunk.source}/{refused.seq or '?'} {refused.code.value} {refused.field}"


def _facts(decisions: Decisions) -> Iterator[str]:
    for entry in decisions.log:
        yield f"incident {entry.incident_id} v{entry.version} {entry.fact} {entry.cause}"


def _assignments(decisions: Decisions) -> Iterator[str]:
    for one in decisions.assignments:
        yield f"incident {one.incident_id} assignment {one.assignment_id} crew {one.crew_id} {one.state.value}"


def _commands(decisions: Decisions) -> Iterator[str]:
    for answer in decisions.commands:
        outcome = "done" if answer.done else answer.reason
        yield f"command {answer.command_id} incident {answer.incident_id or '?'} operator {answer.operator} {outcome}"
