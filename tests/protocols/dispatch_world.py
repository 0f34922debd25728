"""Committed batches as the engine would give them, for the dispatch tests."""

from __future__ import annotations

import json
from collections.abc import Iterable

import msgspec

from core.context import Context, Earlier, Group, NumberHistory, Outcome, Relation
from core.decisions import CommandAnswer, CrewChange, Decisions, IncidentChange, Notice, PositionRow
from core.instant import Micros
from core.vocabulary import CategoryCode, CrewId, CrewState, IncidentId, IncidentState
from protocols.dispatch.codec import decode_centre, text_of
from protocols.dispatch.message import Changes, Filter, Snapshot, Subscribe
from protocols.dispatch.mirror import Mirror
from protocols.dispatch.publisher import Publisher
from protocols.dispatch.subscription import Client, Subscription

CITY = "kz/almaty"
MEDEU = "kz/almaty/medeu"
DISPATCHER = Client(operator="aigul", role="dispatcher")
SHIFT_LEAD = Client(operator="marat", role="shift_lead")


def incident(
    number: int,
    version: int = 1,
    *,
    created: bool | None = None,
    territory: str = MEDEU,
    category: str = "fire",
    priority: int = 2,
    place: tuple[float, float] | None = (43.24, 76.95),
    crews: tuple[str, ...] = (),
    closed: bool = False,
    padding: int = 0,
) -> IncidentChange:
    """An incident's state; `place` is latitude and longitude. Its view carries what a client reads."""
    view = {"incident_id": number, "version": version, "state": "closed" if closed else "opened", "words": "x" * padding}
    return IncidentChange(
        incident_id=IncidentId(number),
        version=version,
        created=version == 1 if created is None else created,
        opened_us=Micros(1),
        updated_us=Micros(version),
        closed_us=Micros(version) if closed else None,
        state=IncidentState.CLOSED if closed else IncidentState.OPENED,
        category=CategoryCode(category),
        priority=priority,
        territory=territory,
        latitude_deg=None if place is None else place[0],
        longitude_deg=None if place is None else place[1],
        crews=crews,
        phone="",
        view=msgspec.json.encode(view),
    )


def crew(
    crew_id: str, *, territory: str = MEDEU, state: CrewState = CrewState.FREE, updated_us: int = 1, outside: bool = False
) -> CrewChange:
    """A crew's state."""
    view = {"crew_id": crew_id, "state": state.value, "territory": territory, "outside": outside, "updated_us": updated_us}
    return CrewChange(
        crew_id=CrewId(crew_id),
        state=state,
        territory=territory,
        incident_id=None,
        updated_us=Micros(updated_us),
        view=msgspec.json.encode(view),
    )


def position(crew_id: str, latitude_deg: float = 43.24, longitude_deg: float = 76.95, at_us: int = 1) -> PositionRow:
    """Where a crew is."""
    return PositionRow(CrewId(crew_id), Micros(at_us), latitude_deg, longitude_deg, 5.0, None, None)


def notice(number: int, text: str = "not accepted") -> Notice:
    """A term has passed."""
    return Notice(IncidentId(number), Micros(1), "shift_lead", "accept", MEDEU, text)


def answer(command_id: str, *, done: bool = True, number: int | None = 1, reason: str = "") -> CommandAnswer:
    """What became of a command."""
    return CommandAnswer(
        command_id, "operator:aigul", Micros(1), done, None if number is None else IncidentId(number), reason, ""
    )


def batch(
    batch_no: int,
    incidents: Iterable[IncidentChange] = (),
    *,
    crews: Iterable[CrewChange] = (),
    positions: Iterable[PositionRow] = (),
    notices: Iterable[Notice] = (),
    commands: Iterable[CommandAnswer] = (),
) -> Decisions:
    """One committed batch."""
    return Decisions(
        batch_no=batch_no,
        now_us=Micros(batch_no),
        taken=[],
        high_water={},
        log=[],
        incidents=list(incidents),
        assignments=[],
        crews=list(crews),
        positions=[],
        commands=list(commands),
        notices=list(notices),
        live_positions=list(positions),
    )


NO_GROUP = Group((), 0, 0, 0, 0, more=False)


def context(number: int = 1, territory: str = CITY) -> Context:
    """What was before an incident: one earlier one at its address, with every field that a context can have."""
    before = Earlier(
        IncidentId(number - 1),
        Micros(5),
        CategoryCode("fire"),
        Outcome.FALSE_CALL,
        (Relation.SAME_ADDRESS, Relation.NEARBY),
        "false_call",
        12.5,
    )
    one = Group((before,), 1, 1, 1, 1, more=True)
    history = NumberHistory("+77010000001", 3, 1, more=False, first_us=Micros(5), last_us=Micros(5))
    return Context(IncidentId(number), territory, Micros(9), Micros(8), one, NO_GROUP, one, NO_GROUP, (history,))


class Watcher:
    """A client of a publisher without a socket: it takes messages when told to and keeps a mirror."""

    def __init__(
        self,
        publisher: Publisher,
        selection: Filter | None = None,
        *,
        client: Client = DISPATCHER,
        positions: bool = False,
        cursor: int | None = None,
        mirror: Mirror | None = None,
        name: str = "map",
    ) -> None:
        self.publisher = publisher
        self.mirror = mirror or Mirror()
        self.messages: list[Snapshot | Changes] = []
        request = Subscribe(id=name, filter=selection or Filter(), positions=positions, cursor=cursor)
        self.subscription: Subscription = publisher.subscribe(1, client, request)

    def take(self) -> Snapshot | Changes | None:
        """Takes one message, looking through as much as it needs."""
        while self.subscription.pending and not self.subscription.lapsed:
            frame = self.publisher.take(self.subscription)
            if frame is not None:
                message = decode_centre(text_of(frame))
                assert isinstance(message, Snapshot | Changes)
                self.mirror.apply(message)
                self.messages.append(message)
                return message
        return None

    def drain(self) -> list[Snapshot | Changes]:
        """Takes everything; gives the messages of this call."""
        taken = []
        while (message := self.take()) is not None:
            taken.append(message)
        return taken


def numbers(views: tuple[msgspec.Raw, ...]) -> list[int]:
    return [json.loads(bytes(view))["incident_id"] for view in views]


def changes(message: Snapshot | Changes | None) -> Changes:
    assert isinstance(message, Changes)
    return message
