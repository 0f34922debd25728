"""Who a client is, what it may see, and one subscription with the place it has reached.

A `Selection` is a filter already cut to what the client may see. It is a value: equal selections are one audience and share
every encoded message. A `Subscription` holds no incidents of its own, only a cursor into its audience's log, so a client that
does not read costs the centre the same few bytes as one that does (invariant 8).
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import msgspec

from core.decisions import IncidentChange
from protocols.dispatch.codec import RefusedError, encode_json
from protocols.dispatch.message import ErrorCode, Subscribe

if TYPE_CHECKING:
    from protocols.dispatch.audience import Audience, Walk

Role = Literal["dispatcher", "crew", "observer", "shift_lead"]


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a token stands for.

    `territory` limits what the client sees and commands to that node and everything below it, `""` being the whole centre.
    `crew` is the call sign that a crew's client speaks for, and what `own` in a filter means.
    """

    operator: str
    role: Role
    territory: str = ""
    crew: str = ""


@lru_cache(maxsize=16_384)
def _covered(territory: str, roots: tuple[str, ...]) -> bool:
    """Whether a territory lies in any of some others. Asked for every change and audience, of few different territories."""
    return any(within(territory, root) for root in roots)


@lru_cache(maxsize=16_384)
def served(territory: str, roots: tuple[str, ...]) -> bool:
    """Whether a crew of a territory serves any of some others."""
    return any(within(territory, root) or within(root, territory) for root in roots)


def within(territory: str, root: str) -> bool:
    """Whether a territory is `root` or lies below it; the root of everything is `""`."""
    return not root or territory == root or territory.startswith(root + "/")


def sees(client: Client, territory: str, crews: Collection[str]) -> bool:
    """Whether some subscription of a client could show it an incident of this territory with these crews on it."""
    return within(territory, client.territory) or (bool(client.crew) and client.crew in crews)


class Selection(msgspec.Struct, frozen=True):
    """What one subscription is about, after the client's own limits."""

    territories: tuple[str, ...]
    """Sorted, none within another; `("",)` for all."""
    box: tuple[float, float, float, float] | None
    categories: frozenset[str] | None
    crews: frozenset[str] | None
    priority: int | None
    positions: bool
    notices: bool
    """Whether the client is the shift lead, whom notices are for."""

    def takes(self, change: IncidentChange) -> bool:
        """Whether an incident in this state matches (its being closed does not matter)."""
        return (
            (self.priority is None or change.priority <= self.priority)
            and (self.categories is None or change.category in self.categories)
            and (self.crews is None or not self.crews.isdisjoint(change.crews))
            and _covered(change.territory, self.territories)
            and (self.box is None or self.in_box(change.latitude_deg, change.longitude_deg))
        )

    def takes_crew(self, crew_id: str, territory: str) -> bool:
        """Whether a crew matches: one of the crews listed, if any, that serves some of the territories.

        A crew serves its territory and what lies below it, so a district sees the city's crews as well as its own. Box,
        categories and priorities are about incidents and say nothing of crews.
        """
        return (self.crews is None or crew_id in self.crews) and served(territory, self.territories)

    def takes_notice(self, territory: str, about: IncidentChange | None) -> bool:
        """Whether a notice matches: one about an incident as the incident does, another by its territory, as a crew does."""
        if not self.notices:
            return False
        return served(territory, self.territories) if about is None else self.takes(about)

    def in_box(self, latitude_deg: float | None, longitude_deg: float | None) -> bool:
        """Whether a place lies in the box, borders included. No place is in no box; every place is in no box given."""
        if self.box is None:
            return True
        if latitude_deg is None or longitude_deg is None:
            return False
        west, south, east, north = self.box
        if not south <= latitude_deg <= north:
            return False
        return west <= longitude_deg <= east if west <= east else longitude_deg >= west or longitude_deg <= east


def select(client: Client, request: Subscribe) -> Selection:
    """What a client that asks for this may be told. Raises `RefusedError` naming the field."""
    asked = request.filter
    roots = _roots(client, asked.territories, request.id)
    crews = frozenset(asked.crews) if asked.crews is not None else None
    if asked.own:
        if not client.crew:
            raise RefusedError(ErrorCode.INVALID_FIELD, "$.filter.own", "this client speaks for no crew", request.id)
        if crews is not None or asked.territories is not None:
            text = "stands without `crews` and `territories`"
            raise RefusedError(ErrorCode.INVALID_FIELD, "$.filter.own", text, request.id)
        # A crew sent outside its territory must still see its task.
        crews, roots = frozenset({client.crew}), ("",)
    if asked.box is not None and asked.box[1] > asked.box[3]:
        raise RefusedError(ErrorCode.INVALID_FIELD, "$.filter.box[1]", "south lies north of north", request.id)
    return Selection(
        territories=roots,
        box=asked.box,
        categories=frozenset(asked.categories) if asked.categories is not None else None,
        crews=crews,
        priority=asked.priorities,
        positions=request.positions,
        notices=client.role == "shift_lead",
    )


def _roots(client: Client, asked: tuple[str, ...] | None, ref: str) -> tuple[str, ...]:
    if asked is None:
        return (client.territory,)
    roots: set[str] = set()
    for index, territory in enumerate(asked):
        if within(territory, client.territory):
            roots.add(territory)
        elif within(client.territory, territory):
            roots.add(client.territory)
        else:
            text = f"lies outside {client.territory!r}, to which this client is limited"
            raise RefusedError(ErrorCode.FORBIDDEN, f"$.filter.territories[{index}]", text, ref)
    return tuple(sorted(one for one in roots if not any(one != root and within(one, root) for root in roots)))


class Subscription:
    """One subscription of one session and how far it has been told. The publisher moves it; the hub paces it."""

    __slots__ = ("audience", "cursor", "due_s", "head", "id", "lapsed", "period_s", "scheduled", "session", "told", "walk")

    def __init__(self, session: int, request: Subscribe, audience: Audience) -> None:
        self.session = session
        self.id = request.id
        self.head = encode_json(request.id)
        """Its id as JSON."""
        self.audience = audience
        self.cursor = 0
        """Batch up to which everything has been given out; in a walk, up to which it had been when the walk began."""
        self.told = -1
        """Cursor that the client has seen last."""
        self.walk: Walk | None = None
        self.lapsed = False
        """Whether more than the bound has piled up for it: it must be cut."""
        self.period_s = 0.0 if request.max_per_s is None else 1.0 / request.max_per_s
        self.due_s = 0.0
        self.scheduled = False
        """Whether the hub will come back to it by itself."""

    @property
    def pending(self) -> bool:
        """Whether there is anything to give out."""
        return self in self.audience.behind
