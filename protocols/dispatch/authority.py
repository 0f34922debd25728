"""Which commands a client may give, before the engine sees them.

Observers command nothing. A crew speaks for itself alone. Everybody else commands what lies in the client's territory. What
is not known here (an incident long closed, a wrong number) goes to the engine, which answers why not.
Requirements: OCC-4, CITY-16.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from core.commands import (
    Accept,
    AddNote,
    AnyCommand,
    ChangePriority,
    Clear,
    Close,
    CreateIncident,
    Decline,
    EnRoute,
    Merge,
    OnScene,
    Reassign,
    Split,
)
from core.decisions import IncidentChange
from protocols.dispatch.subscription import Client, within

Lookup = Callable[[int], IncidentChange | None]


def operator_of(client: Client) -> str:
    """The client as the incident's log names it."""
    return f"crew:{client.crew}" if client.role == "crew" else f"operator:{client.operator}"


def hindrance(client: Client, command: AnyCommand, incident: Lookup) -> tuple[str, str] | None:
    """Why a client may not give a command, as the field's path and a text, or None when it may.

    Args:
        client: who commands.
        command: what.
        incident: the newest committed state of an incident, None where unknown.
    """
    match client.role:
        case "observer":
            return "$.body.command", "an observer gives no commands"
        case "crew":
            return _of_crew(client, command, incident)
        case "dispatcher" | "shift_lead":
            return _of_dispatcher(client, command, incident)
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
        case Close() | Reassign() | CreateIncident() | Merge() | Split() | ChangePriority():
            return "$.body.command", "a crew may not command this"
        case _:
            assert_never(command)


def _of_dispatcher(client: Client, command: AnyCommand, incident: Lookup) -> tuple[str, str] | None:
    numbers: tuple[tuple[str, int], ...]
    match command:
        case CreateIncident():
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
