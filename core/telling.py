"""What somebody must be told: decided by the engine, committed with the batch that caused it, sent afterwards (CITY-5).

Place in the flow: between assign and persist. A `Telling` names a role, not a person, and what happened, not a text: who that
is, and in which words, is found when it is sent (`core.people`, `adapters.messages`), so that a batch stays a pure function of
its events. Rules:
- `key` is unique for ever. It is the step of the escalation, such as `incident/17/accept/42/step/2/round/0`: a step that is
  decided twice is told once.
- A telling that comes too late is not sent: `expires_us`.
"""

from __future__ import annotations

from typing import Final

import msgspec

from core.instant import Micros
from core.vocabulary import IncidentId, Word


class Happened(Word):
    """What a telling tells of; `adapters.messages` has its words in three languages."""

    TASK_GIVEN = "task_given"
    """A crew was given a task."""
    INCIDENT_OPENED = "incident_opened"
    ON_SCENE = "on_scene"
    """The first crew is there."""
    INCIDENT_CLOSED = "incident_closed"
    ACCEPT_PASSED = "accept_passed"
    """A crew has not accepted its task in time."""
    NO_CREW = "no_crew"
    """No crew was found in time."""
    NOT_ON_SCENE = "not_on_scene"
    """A crew has not arrived in time."""
    REVIEW = "review"
    """An incident that is open for long is to be looked at again."""
    MODE_CHANGED = "mode_changed"
    """The centre works in another mode than before."""
    PATROL_FINDING = "patrol_finding"
    """A patrol has left its route, or whichever `PatrolFault` is the value of `finding`."""
    SIGNAL_LOST = "signal_lost"
    """A crew, or many of a territory, are no longer heard of."""
    DUTY_NOT_BEGUN = "duty_not_begun"
    """A crew that should be on duty by the roster has not come."""
    TWO_POSITIONS = "two_positions"
    """Two devices report positions as one crew."""
    SHIFT_HANDOVER = "shift_handover"
    """Somebody else answers for the open incidents from now on."""
    INCIDENT_LEFT_OUT = "incident_left_out"
    """The centre has failed on an incident, and does without a part of what it does for it."""
    PART_LEFT_OUT = "part_left_out"
    """The centre has failed on a part of its work and does without it."""
    NEWS_REFUSED = "news_refused"
    """The centre has failed on scenarios, a roster or patrol routes that were to come into force."""
    TEST = "test"
    """Somebody tries whether a person can be reached."""


VALUES: Final[dict[Happened, tuple[str, ...]]] = {
    Happened.TASK_GIVEN: ("crew", "category", "address"),
    Happened.INCIDENT_OPENED: ("category", "address"),
    Happened.ON_SCENE: ("crew", "category", "address"),
    Happened.INCIDENT_CLOSED: ("category", "result"),
    Happened.ACCEPT_PASSED: ("crew", "category", "address"),
    Happened.NO_CREW: ("capability", "category", "address"),
    Happened.NOT_ON_SCENE: ("crew", "category", "address"),
    Happened.REVIEW: ("category", "waited_min"),
    Happened.MODE_CHANGED: ("mode", "reason"),
    Happened.PATROL_FINDING: ("crew", "finding", "place"),
    Happened.SIGNAL_LOST: ("crew", "minutes"),
    Happened.DUTY_NOT_BEGUN: ("crew", "minutes"),
    Happened.TWO_POSITIONS: ("crew",),
    Happened.SHIFT_HANDOVER: ("gives", "takes", "open"),
    Happened.INCIDENT_LEFT_OUT: ("part",),
    Happened.PART_LEFT_OUT: ("part",),
    Happened.NEWS_REFUSED: ("part",),
    Happened.TEST: ("person",),
}
"""What `Telling.values` should hold for each; the incident's number and the territory are the telling's own."""


class Role(Word):
    """Who can be told. A person's roles stand in the centre's file of people."""

    DISPATCHER = "dispatcher"
    SHIFT_LEAD = "shift_lead"
    DUTY_OFFICER = "duty_officer"
    CHIEF = "chief"
    PATROL_LEAD = "patrol_lead"
    TECHNICIAN = "technician"


LEVEL_ABOVE: Final = "level_above"
"""As `Telling.to`: whoever answers for the territory above the one named, the first of `ANSWERING` who can be reached there."""
ANSWERING: Final = (Role.DUTY_OFFICER, Role.SHIFT_LEAD, Role.CHIEF)
PERSON: Final = "person:"
"""Before a person's id, as `Telling.to`: this person, in whatever role and territory."""


class Telling(msgspec.Struct, frozen=True, gc=False):
    """One thing that must be told to whoever holds a role, or to one person."""

    key: str
    """Unique for ever, steps joined by `/`; a second telling with the same key is none."""
    to: str
    """A `Role`, `level_above`, or `person:ID`."""
    territory: str
    """Where it happened; whoever is told holds the role there, or on the nearest level above."""
    incident_id: IncidentId | None
    template: Happened
    values: dict[str, str]
    """What the words need, by `VALUES`; nothing a caller said."""
    at_us: Micros
    expires_us: Micros
    """From then on nobody need be told any more."""
    priority: int
    """As an incident's: 1 is the most urgent, 9 the least."""


class Channel(Word):
    """A way to reach a person, as the file of people names it."""

    DISPATCH = "dispatch"
    """The dispatch client: its notice goes out with the commit, so it counts as told by it, beside the other channels."""
    WEBHOOK = "webhook"
    MAIL = "mail"
    SMS = "sms"
