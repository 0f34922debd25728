"""What dispatchers and crews order over the dispatch protocol, as typed and validated structs.

A command is decided by the engine like an event and is committed in the same transaction as what it changes. Its `command_id`
makes a retry safe: the engine answers a known id with the stored `CommandAnswer` and changes nothing. The struct's tag is the
`command` field on the wire. Requirements: OCC-4, CITY-10, CITY-16, CITY-18.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from core.events import Fix, Key, OptionalKey, Words
from core.vocabulary import PRIORITY_HIGHEST, PRIORITY_LOWEST

Priority = Annotated[int, Meta(ge=PRIORITY_HIGHEST, le=PRIORITY_LOWEST)]
IncidentNumber = Annotated[int, Meta(ge=1)]


class Command(msgspec.Struct, tag_field="command", kw_only=True, frozen=True):
    """What every command has: an id that its client chose, unique for ever (a UUID is expected)."""

    command_id: Key


class Accept(Command, tag="accept", kw_only=True, frozen=True):
    """The crew takes the assignment offered to it."""

    incident: IncidentNumber
    crew: Key


class Decline(Command, tag="decline", kw_only=True, frozen=True):
    """The crew cannot take the assignment; the next one is looked for."""

    incident: IncidentNumber
    crew: Key
    reason: Words = ""


class EnRoute(Command, tag="en_route", kw_only=True, frozen=True):
    """The crew has set out."""

    incident: IncidentNumber
    crew: Key


class OnScene(Command, tag="on_scene", kw_only=True, frozen=True):
    """The crew has arrived."""

    incident: IncidentNumber
    crew: Key


class Clear(Command, tag="clear", kw_only=True, frozen=True):
    """The crew has finished its task and is free again."""

    incident: IncidentNumber
    crew: Key


class Close(Command, tag="close", kw_only=True, frozen=True):
    """The incident is over; `result` says how it ended. Crews still on it are freed."""

    incident: IncidentNumber
    result: Annotated[str, Meta(min_length=1, max_length=4000)]


class Reassign(Command, tag="reassign", kw_only=True, frozen=True):
    """Withdraws `crew` (if given) and sends `to` (if given) or else the best other crew.

    `when` says what is to become of what `to` is doing: `free` sends only a crew that is available, `next` lets a working one
    finish all it has first, `now` lets it hold what it is doing and go at once.
    """

    incident: IncidentNumber
    crew: OptionalKey = ""
    to: OptionalKey = ""
    when: Literal["free", "next", "now"] = "free"


class AddNote(Command, tag="add_note", kw_only=True, frozen=True):
    """Words of the dispatcher kept with the incident (CITY-10)."""

    incident: IncidentNumber
    words: Annotated[str, Meta(min_length=1, max_length=4000)]


class CreateIncident(Command, tag="create_incident", kw_only=True, frozen=True):
    """Opens an incident without a call."""

    category: OptionalKey = ""
    words: Words = ""
    place: Fix | None = None
    address: Annotated[str, Meta(max_length=400)] = ""
    phone: OptionalKey = ""
    priority: Priority | None = None


class Merge(Command, tag="merge", kw_only=True, frozen=True):
    """`incident` is the same happening as `into`: its events and crews go there, and it ends as merged."""

    incident: IncidentNumber
    into: IncidentNumber


class Split(Command, tag="split", kw_only=True, frozen=True):
    """These events, each as `SOURCE/SEQ`, are another happening: they go to a new incident."""

    incident: IncidentNumber
    events: Annotated[tuple[str, ...], Meta(min_length=1, max_length=1000)]


class ChangePriority(Command, tag="change_priority", kw_only=True, frozen=True):
    """The dispatcher sets the priority; the centre no longer changes it by itself."""

    incident: IncidentNumber
    priority: Priority


class Acknowledge(Command, tag="acknowledge", kw_only=True, frozen=True):
    """The dispatcher has it in hand: of what has passed at this incident (or of one kind of term) nobody is told any more."""

    incident: IncidentNumber
    term: Literal["", "accept", "crew", "on_scene", "review"] = ""


class AcknowledgeCrew(Command, tag="acknowledge_crew", kw_only=True, frozen=True):
    """The dispatcher has it in hand: that this crew is not heard, has not come, or reports from two places is told no more."""

    crew: Key


class HandOver(Command, tag="hand_over", kw_only=True, frozen=True):
    """Another person answers from now on for every open incident of a territory: the shift is handed over (OCC-3)."""

    territory: Annotated[str, Meta(max_length=200)] = ""
    """And all below it; `""` for the whole centre."""
    to: Key
    """The person, as the roster names them."""


class SetMode(Command, tag="set_mode", kw_only=True, frozen=True):
    """The centre works in another of its legal modes: terms that begin from now on and sensors' limits are that mode's."""

    mode: Literal["daily", "heightened", "emergency"]
    ground: Annotated[str, Meta(min_length=1, max_length=1000)]
    """By what order, and why: kept in the centre's log."""


AnyCommand = (
    Accept
    | Decline
    | EnRoute
    | OnScene
    | Clear
    | Close
    | Reassign
    | AddNote
    | CreateIncident
    | Merge
    | Split
    | ChangePriority
    | Acknowledge
    | AcknowledgeCrew
    | HandOver
    | SetMode
)


class Order(msgspec.Struct, frozen=True):
    """A command with who gives it, as the dispatch session hands it to the engine."""

    operator: str
    command: AnyCommand
