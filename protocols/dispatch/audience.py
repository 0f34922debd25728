"""Audiences: everybody who asked for the same, and what each audience still has to be told.

An audience keeps one log of what has changed for it, ids only and newest state wins; each of its subscriptions is a cursor into
that log. So fan-out costs once per matching audience, a message is encoded once for all members that stand at the same place,
and a slow member's backlog is bounded by the log's bound (invariant 8).

Invariants: the log holds every relevant change later than the cursor of any member in `behind`; a member outside `behind` has
been given everything; with nobody behind the log is empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from core import limits
from core.decisions import IncidentChange
from protocols.dispatch.committed import Held, HeldCrew, HeldIncident, HeldNotice, HeldPosition
from protocols.dispatch.subscription import Selection, Subscription, within

_H = TypeVar("_H", HeldIncident, HeldCrew, HeldPosition)


class Walk:
    """What is to be sent in parts: a snapshot, a resume, or a backlog too long for one message.

    An item that changes for the audience after `through` is passed over: the changes after the walk tell it.
    """

    __slots__ = ("at", "base", "items", "opening", "snapshot", "through")

    def __init__(self, items: list[Held], *, base: int, through: int, snapshot: bool, opening: bool) -> None:
        self.items = items
        self.at = 0
        self.base = base
        """Cursor up to which the client has been told everything before the walk."""
        self.through = through
        """Cursor after the walk."""
        self.snapshot = snapshot
        self.opening = opening
        """Whether the next message is the first of a subscription and goes out even with nothing in it."""


class Audience:
    """All subscriptions with one selection."""

    def __init__(self, selection: Selection, bound: int = limits.CLIENT_PENDING_INCIDENTS) -> None:
        self.selection = selection
        self.members: dict[Subscription, None] = {}
        self.behind: dict[Subscription, None] = {}
        self.incidents: dict[HeldIncident, int] = {}
        """What changed for the audience → the batch of its last such change, newest last. The same for the next two."""
        self.crews: dict[HeldCrew, int] = {}
        self.positions: dict[HeldPosition, int] = {}
        self.notices: list[HeldNotice] = []
        self.marked_from = 0
        """Batch of the oldest change since the log was last empty."""
        self.marked_to = 0
        self.frames: dict[tuple[int, bytes], bytearray] = {}
        """(cursor from, subscription's id) → message up to `frames_to`."""
        self.bodies: dict[int, bytes] = {}
        self.frames_to = 0
        self._bound = bound

    @property
    def crowded(self) -> bool:
        """Whether the log nears its bound, so that members which could be told later should be told now."""
        return 2 * max(len(self.incidents), len(self.notices)) > self._bound

    def begin(self, batch_no: int) -> bool:
        """Prepares for marks of a batch; True the first time in that batch."""
        if self.marked_to == batch_no:
            return False
        self._trim()
        if not (self.incidents or self.crews or self.positions or self.notices):
            self.marked_from = batch_no
        self.marked_to = batch_no
        self.behind.update(self.members)
        return True

    def mark_incident(self, held: HeldIncident, batch_no: int) -> bool:
        """Notes that an incident has changed for the audience; returns whether a member had still to be told of it."""
        return _mark(self.incidents, held, batch_no)

    def mark_crew(self, held: HeldCrew, batch_no: int) -> bool:
        """Notes that a crew has changed for the audience; returns as `mark_incident`."""
        return _mark(self.crews, held, batch_no)

    def mark_position(self, held: HeldPosition, batch_no: int) -> bool:
        """Notes that a crew has moved for the audience; returns as `mark_incident`."""
        return _mark(self.positions, held, batch_no)

    def since(self, cursor: int) -> list[Held]:
        """The log after `cursor`, oldest first in each kind."""
        found: list[Held] = [held for held in reversed(self.notices) if held.batch_no > cursor]
        found += _tail(self.positions, cursor)
        found += _tail(self.crews, cursor)
        found += _tail(self.incidents, cursor)
        found.reverse()
        return found

    def changed_after(self, held: Held, batch_no: int) -> bool:
        """Whether the log tells of a later change of this item."""
        if isinstance(held, HeldIncident):
            return self.incidents.get(held, 0) > batch_no
        if isinstance(held, HeldCrew):
            return self.crews.get(held, 0) > batch_no
        if isinstance(held, HeldPosition):
            return self.positions.get(held, 0) > batch_no
        return False

    def caught_up(self, subscription: Subscription) -> None:
        """A member has been given everything; with the last of them the log is emptied."""
        self.behind.pop(subscription, None)
        if not self.behind:
            self._empty()

    def leave(self, subscription: Subscription) -> None:
        """A member goes."""
        self.members.pop(subscription, None)
        self.caught_up(subscription)

    def _empty(self) -> None:
        self.incidents.clear()
        self.crews.clear()
        self.positions.clear()
        self.notices.clear()
        self.frames.clear()
        self.bodies.clear()

    def _trim(self) -> None:
        """Holds the log to its bound; a member that would need what goes has lapsed."""
        cut = 0
        for held in list(islice(self.incidents, max(0, len(self.incidents) - self._bound))):
            cut = self.incidents.pop(held)
        excess = len(self.notices) - self._bound
        if excess > 0:
            cut = max(cut, self.notices[excess - 1].batch_no)
            del self.notices[:excess]
        if not cut:
            return
        for member in self.behind:
            reached = member.cursor if member.walk is None else member.walk.through
            if reached < cut:
                member.lapsed = True


def _mark(log: dict[_H, int], held: _H, batch_no: int) -> bool:
    earlier = log.pop(held, None)
    log[held] = batch_no
    return earlier is not None


def _tail(log: dict[_H, int], cursor: int) -> Iterator[_H]:
    for held, batch_no in reversed(log.items()):
        if batch_no <= cursor:
            return
        yield held


class Audiences:
    """All audiences, found by what they could match, so that a change is shown only to those it may concern."""

    _REMEMBERED = 8_192
    """Territories whose audiences are remembered between changes of the audiences."""

    def __init__(self, bound: int = limits.CLIENT_PENDING_INCIDENTS) -> None:
        self._bound = bound
        self._all: dict[Selection, Audience] = {}
        self._by_crew: dict[str, dict[Audience, None]] = {}
        """Audiences that list crews."""
        self._by_root: dict[str, dict[Audience, None]] = {}
        """The others, by each territory of theirs."""
        self._above: dict[str, tuple[Audience, ...]] = {}
        self._related: dict[str, tuple[Audience, ...]] = {}

    def __len__(self) -> int:
        return len(self._all)

    def join(self, selection: Selection) -> Audience:
        """The audience of a selection, a new one if nobody has asked for it yet."""
        audience = self._all.get(selection)
        if audience is None:
            audience = self._all[selection] = Audience(selection, self._bound)
            for index, key in self._places(selection):
                index.setdefault(key, {})[audience] = None
            self._forget_answers()
        return audience

    def drop_if_empty(self, audience: Audience) -> None:
        """Forgets an audience without members."""
        if audience.members or self._all.get(audience.selection) is not audience:
            return
        del self._all[audience.selection]
        for index, key in self._places(audience.selection):
            del index[key][audience]
            if not index[key]:
                del index[key]
        self._forget_answers()

    def _places(self, selection: Selection) -> list[tuple[dict[str, dict[Audience, None]], str]]:
        if selection.crews is not None:
            return [(self._by_crew, crew) for crew in selection.crews]
        return [(self._by_root, root) for root in selection.territories]

    def _forget_answers(self) -> None:
        self._above.clear()
        self._related.clear()

    def of_incident(self, change: IncidentChange, before: IncidentChange | None) -> Iterable[Audience]:
        """Audiences that an incident's change may concern; each is still to be asked whether it does."""
        found = self._at(change.territory)
        moved = before is not None and before.territory != change.territory
        if not moved and not self._by_crew:
            return found
        union = dict.fromkeys(found)
        if before is not None:
            union.update(dict.fromkeys(self._at(before.territory)))
        for crew in (*change.crews, *(before.crews if before is not None else ())):
            union.update(self._by_crew.get(crew, {}))
        return union

    def of_crew(self, crew_id: str, territory: str) -> Iterable[Audience]:
        """Audiences that a crew's change or move may concern."""
        found = self._related.get(territory)
        if found is None:
            union: dict[Audience, None] = {}
            for root, audiences in self._by_root.items():
                if within(territory, root) or within(root, territory):
                    union.update(audiences)
            found = self._remember(self._related, territory, union)
        named = self._by_crew.get(crew_id)
        return (*found, *named) if named else found

    def _at(self, territory: str) -> tuple[Audience, ...]:
        """Audiences of a territory and of all above it."""
        found = self._above.get(territory)
        if found is None:
            union: dict[Audience, None] = dict(self._by_root.get("", {}))
            end = 0
            while territory and end >= 0:
                end = territory.find("/", end + 1)
                union.update(self._by_root.get(territory if end < 0 else territory[:end], {}))
            found = self._remember(self._above, territory, union)
        return found

    def _remember(
        self, answers: dict[str, tuple[Audience, ...]], territory: str, union: dict[Audience, None]
    ) -> tuple[Audience, ...]:
        if len(answers) >= self._REMEMBERED:
            answers.clear()
        answers[territory] = found = tuple(union)
        return found
