"""Which commands a client may give, before the engine sees them.

Observers command nothing. A crew speaks for itself alone. Everybody else commands what lies in the client's territory, and
sends crews that serve any of it or may be sent outside their own: another territory's crew is another desk's to give. What is
not known here (an incident long closed, a wrong number) goes to the engine, which answers why not.
Requirements: OCC-4, CITY-16.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, assert_never

import msgspec

from core.commands import (
    Accept,
    Acknowledge,
    AcknowledgeCrew,
    AddNote,
    AnyCommand,
    ChangePriority,
    Clear,
    Close,
    CreateIncident,
    Decline,
    EnRoute,
    HandOver,
    Merge,
    OnScene,
    Reassign,
    SetMode,
    Split,
)
from core.decisions import CrewChange, IncidentChange
from protocols.dispatch.subscription import Client, served, within

Lookup = Callable[[int], IncidentChange | None]
CrewLookup = Callable[[str], CrewChange | None]


class _Sendable(msgspec.Struct):
    """What a crew's view says of where it may be sent."""

    outside: bool = False


_SENDABLE: Final = msgspec.json.Decoder(_Sendable)


def operator_of(client: Client) -> str:
    """The client as the incident's log names it."""
    return f"crew:{client.crew}" if client.role == "crew" else f"operator:{client.operator}"


def hindrance(client: Client, command: AnyCommand, incident: Lookup, crew: CrewLookup) -> tuple[str, str] | None:
    """Why a client may not give a command, as the field's path and a text, or None when it may.

    Args:
        client: who commands.
        command: what.
        incident: the newest committed state of an incident, None where unknown.
        crew: the same of a crew.
    """
    match client.role:
        case "observer":
            return "$.body.command", "an observer gives no commands"
        case "crew":
            return _of_crew(client, command, incident)
        case "dispatcher" | "shift_lead":
            return _of_dispatcher(client, command, incident) or _of_sending(client, command, crew)
        case _:
            assert_never(client.role)


def _of_crew(client: Client, command: AnyCommand, incident: Lookup) -> tuple[str, str] | None:
    match command:
        case Accept() | Decline() | EnRoute() | OnScene() | Clear():
            if command.crew != client.crew or not client.crew:
                return "$.body.crew", f"this client speaks for {client.crew!r} only"
            return None
        case AddNote():
            known = incident(command.incident)
            if known is not None and client.crew not in known.crews:
                return "$.body.incident", "this crew is not on that incident"
            return None
        case (
            Close()
            | Reassign()
            | CreateIncident()
            | Merge()
            | Split()
            | ChangePriority()
            | Acknowledge()
            | AcknowledgeCrew()
            | HandOver()
            | SetMode()
        ):
            return "$.body.command", "a crew may not command this"
        case _:
            assert_never(command)


def _of_dispatcher(client: Client, command: AnyCommand, incident: Lookup) -> tuple[str, str] | None:
    numbers: tuple[tuple[str, int], ...]
    match command:
        case SetMode():
            # A mode is the whole centre's, and by order of whoever leads the shift.
            if client.role != "shift_lead":
                return "$.body.command", "only a shift lead sets the centre's mode"
            return ("$.body.command", f"this client is limited to {client.territory!r}") if client.territory else None
        case HandOver():
            if client.role != "shift_lead":
                return "$.body.command", "only a shift lead hands over a shift"
            outside = not within(command.territory, client.territory)
            return ("$.body.territory", f"lies outside {client.territory!r}") if outside else None
        case CreateIncident() | AcknowledgeCrew():
            numbers = ()
        case Merge():
            numbers = (("$.body.incident", command.incident), ("$.body.into", command.into))
        case _:
            numbers = (("$.body.incident", command.incident),)
    for field, number in numbers:
        known = incident(number)
        if known is not None and not within(known.territory, client.territory):
            return field, f"lies outside {client.territory!r}, to which this client is limited"
    return None


def _of_sending(client: Client, command: AnyCommand, crew: CrewLookup) -> tuple[str, str] | None:
    if isinstance(command, AcknowledgeCrew):
        told = crew(command.crew)
        if told is not None and not within(told.territory, client.territory):
            return "$.body.crew", f"serves outside {client.territory!r}, to which this client is limited"
        return None
    known = crew(command.to) if isinstance(command, Reassign) else None
    if known is None or not client.territory or served(known.territory, (client.territory,)):
        return None
    if _SENDABLE.decode(known.view).outside:
        return None
    return "$.body.to", f"serves {known.territory!r} alone, outside {client.territory!r}, to which this client is limited"
