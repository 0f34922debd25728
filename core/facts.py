"""What has happened to an incident, as facts in the past tense: the lines of its append-only log.

A fact holds everything that changes the incident and nothing that can be derived, so folding an incident's facts in order
gives the incident (`core.incident.fold`, invariant 7). Deadlines are part of facts: replay reads no clock and no configuration.
"""

from __future__ import annotations

from typing import Final, get_args

import msgspec

from core.geofence import ArrivalReason
from core.identify import Caller
from core.instant import Micros
from core.trace import TraceContext
from core.vocabulary import (
    AssignmentId,
    AssignmentState,
    AssignReason,
    CategoryCode,
    IncidentId,
    LocationSource,
    TermKind,
    Word,
)


class CorrelateReason(Word):
    """Why an event belongs to its incident."""

    FIRST = "first"
    SAME_CALL = "same_call"
    SAME_NUMBER = "same_number"
    SAME_DEVICE = "same_device"
    NEAR_SAME_CATEGORY = "near_same_category"
    MERGED = "merged"
    SPLIT = "split"


class CategoryReason(Word):
    """Why an incident has its category."""

    GIVEN = "given"
    CODE = "code"
    ALARM = "alarm"
    ANALYTIC = "analytic"
    THRESHOLD = "threshold"
    WORDS = "words"
    DEFAULT = "default"
    OPERATOR = "operator"


class StepDone(Word):
    """What was done at a moment of an escalation."""

    TOLD = "told"
    QUIET = "quiet"
    """Whoever would have been told knows it already."""
    NEXT_CREW = "next_crew"
    LEVEL_ABOVE = "level_above"
    """The level above was asked."""
    WAVE = "wave"
    """The scenario's next crews were asked for."""


STOPS: Final[tuple[str, ...]] = ("acknowledged", "met")
"""What ends a chain early, where its scenario does not say otherwise."""


class Evidence(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One indication of a place, kept whether or not it is the best (OCC-1)."""

    source: LocationSource
    latitude_deg: float
    longitude_deg: float
    accuracy_m: float
    text: str = ""
    """Address or name as found, for a person to read."""
    event: str = ""


class PassedOver(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A nearer crew that was not sent, and why."""

    crew: str
    distance_m: float
    reason: AssignReason
    travel_s: float | None = None
    """By road, where that was found out."""


class Explanation(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Why this crew: stored with the assignment and shown to the dispatcher."""

    reason: AssignReason
    distance_m: float
    """In a straight line."""
    passed_over: tuple[PassedOver, ...]
    travel_s: float | None = None
    """Expected driving time by road; None where no road is known, and in logs older than roads (`core.arrival.expected_s`)."""


class Relief(msgspec.Struct, frozen=True, gc=False):
    """Whom a crew is to take over from: it goes on until the nearer one has accepted (`core.relief`)."""

    assignment_id: AssignmentId
    crew: str
    left_s: float
    """What it had still to drive, at the least (`core.way`)."""


class Joined(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What one event adds to its incident."""

    event: str
    """`SOURCE/SEQ`, or `command:ID` for an incident opened by a dispatcher."""
    kind: str
    reason: CorrelateReason
    caller: Caller | None = None
    words: str = ""
    call: str = ""
    """`SOURCE/CALL_ID` by which call updates find the incident."""
    device: str = ""
    evidence: tuple[Evidence, ...] = ()
    trace: TraceContext | None = None
    """The trace of the system that sent the event, where it has one."""


class Opened(msgspec.Struct, frozen=True, tag="opened", gc=False):
    """The incident exists."""

    category: CategoryCode
    category_reason: CategoryReason
    priority: int
    territory: str
    owner: str
    needs: tuple[str, ...]
    review_due_us: Micros
    joined: Joined
    scenario: str = ""
    """The version of the scenario it goes by from now on (`core.scenario.Scenario.key`); `""` before there were any."""
    wave_due_us: Micros | None = None
    """When the scenario's next crews are asked for."""


class EventJoined(msgspec.Struct, frozen=True, tag="event_joined", gc=False):
    """Another event tells of the same happening."""

    joined: Joined
    territory: str


class Recategorised(msgspec.Struct, frozen=True, tag="recategorised", gc=False):
    """Category, priority and needs follow from newer words."""

    category: CategoryCode
    category_reason: CategoryReason
    priority: int
    needs: tuple[str, ...]
    scenario: str = ""
    """As in `Opened`, where another category rules; `""` where the scenario stays."""
    wave_due_us: Micros | None = None


class NeedsRaised(msgspec.Struct, frozen=True, tag="needs_raised", gc=False):
    """More crews are wanted: a scenario's next ones, or another one for a crew that does not arrive."""

    needs: tuple[str, ...]
    """Capabilities, one a crew."""


class PrioritySet(msgspec.Struct, frozen=True, tag="priority_set", gc=False):
    """A dispatcher has fixed the priority."""

    priority: int


class Queued(msgspec.Struct, frozen=True, tag="queued", gc=False):
    """No crew can go now; the incident waits in priority order."""

    capability: str
    crew_due_us: Micros
    passed_over: tuple[PassedOver, ...]
    crew_term_us: int | None = None
    """How long the crew term is that begins now, where none runs, by the mode of now; None in logs that are older than it."""


class CrewAssigned(msgspec.Struct, frozen=True, tag="crew_assigned", omit_defaults=True, gc=False):
    """A crew has been chosen and told."""

    assignment_id: AssignmentId
    crew: str
    capability: str
    explanation: Explanation
    accept_due_us: Micros
    held: bool = False
    """Whether it comes after what the crew is doing."""
    expected_us: Micros | None = None
    """When it is expected on scene, if it sets out at once; None where nobody knows where it is."""
    relieves: Relief | None = None
    """The assignment that it takes over from as soon as it accepts; until then the need is met by that one."""


class ArrivalSeen(msgspec.Struct, frozen=True, tag="arrival_seen", gc=False):
    """The crew's positions say that it has arrived, whatever it says itself."""

    assignment_id: AssignmentId
    reason: ArrivalReason
    distance_m: float
    """From the place, at the position that told."""
    since_us: Micros
    """When it came so near."""


class ArrivalLeft(msgspec.Struct, frozen=True, tag="arrival_left", gc=False):
    """By its positions the crew is not there any more: it had stopped beside the place, and drove on."""

    assignment_id: AssignmentId


class AssignmentHeld(msgspec.Struct, frozen=True, tag="assignment_held", gc=False):
    """The crew has turned to another of its assignments, or back to this one. The assignment's own state stays as it is."""

    assignment_id: AssignmentId
    held: bool


class AssignmentMoved(msgspec.Struct, frozen=True, tag="assignment_moved", gc=False):
    """The crew has accepted, set out, arrived or finished. `on_scene_due_us` is set when arrival is awaited from now on."""

    assignment_id: AssignmentId
    to: AssignmentState
    on_scene_due_us: Micros | None


class AssignmentEnded(msgspec.Struct, frozen=True, tag="assignment_ended", omit_defaults=True, gc=False):
    """The crew does not go after all: declined, expired or withdrawn."""

    assignment_id: AssignmentId
    to: AssignmentState
    text: str
    served_by: AssignmentId | None = None
    """Which assignment serves in its place, where a relief has taken over or was not needed any more."""


class TermFired(msgspec.Struct, frozen=True, tag="term_fired", omit_defaults=True, gc=False):
    """A term has passed, or a later moment of its chain has come; and what was done then.

    `next_due_us` is when the next moment comes, `next_moment` which one that is: 0 is the term itself, begun anew.
    """

    term: TermKind
    assignment_id: AssignmentId | None
    due_us: Micros
    told: str
    """Who was told; `""` where nobody was."""
    next_due_us: Micros | None
    moment: int = 0
    next_moment: int = 0
    step: StepDone = StepDone.TOLD
    quiet_until_us: Micros | None = None
    """Until when the one who was told is not told of the same again."""
    until: tuple[str, ...] = STOPS
    """What ends the chain early."""


class CarriedTerm(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A term of a crew's assignment, or the next moment of its chain, as it runs on."""

    kind: TermKind
    due_us: Micros
    moment: int = 0
    until: tuple[str, ...] = STOPS
    """What ends the chain early."""


class TermsCarried(msgspec.Struct, frozen=True, tag="terms_carried", gc=False):
    """A crew came with an incident that was merged into this one, or takes over from another crew: the terms run on as they
    did there, and none begins anew."""

    assignment_id: AssignmentId
    terms: tuple[CarriedTerm, ...]
    """All that it has; a chain that was at its end or acknowledged is not among them."""


class Acknowledged(msgspec.Struct, frozen=True, tag="acknowledged", gc=False):
    """Somebody has taken it upon themselves: what has passed is told nobody any more."""

    terms: tuple[TermKind, ...]
    """Whose chains have ended by it."""
    review_due_us: Micros | None
    """When the incident is looked at again, where the review was one of them."""


class PersonTold(msgspec.Struct, frozen=True, tag="person_told", gc=False):
    """Somebody whom the scenario names has been told how far the incident is."""

    to: str
    when: str
    """`opened`, `assigned`, `on_scene`, `closed`."""


class OwnerSet(msgspec.Struct, frozen=True, tag="owner_set", gc=False):
    """Somebody else answers for the incident from now on: a shift has been handed over (OCC-3)."""

    owner: str


class Noted(msgspec.Struct, frozen=True, tag="noted", gc=False):
    """A dispatcher has added words (CITY-10)."""

    words: str


class Absorbed(msgspec.Struct, frozen=True, tag="absorbed", gc=False):
    """Another incident turned out to be this one: its events, callers and evidence are here now."""

    other: IncidentId
    joined: tuple[Joined, ...]
    territory: str


class MergedInto(msgspec.Struct, frozen=True, tag="merged_into", gc=False):
    """This incident turned out to be another one, which goes on alone."""

    into: IncidentId


class EventsLeft(msgspec.Struct, frozen=True, tag="events_left", gc=False):
    """These events turned out to be another happening."""

    events: tuple[str, ...]
    to: IncidentId
    territory: str


class Closed(msgspec.Struct, frozen=True, tag="closed", gc=False):
    """The incident is over."""

    result: str


Fact = (
    Opened
    | EventJoined
    | Recategorised
    | NeedsRaised
    | PrioritySet
    | Queued
    | CrewAssigned
    | ArrivalSeen
    | ArrivalLeft
    | AssignmentHeld
    | AssignmentMoved
    | AssignmentEnded
    | TermFired
    | TermsCarried
    | Acknowledged
    | PersonTold
    | OwnerSet
    | Noted
    | Absorbed
    | MergedInto
    | EventsLeft
    | Closed
)
TAGS: Final[dict[type, str]] = {fact: str(fact.__struct_config__.tag) for fact in get_args(Fact)}
"""Each fact's tag: its name in the log."""
