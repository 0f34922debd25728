"""The centre's nouns: identifiers, kinds, states and reasons. One word for one thing, the glossary's.

Every enumeration here is stored, sent and shown by its `value`; a decision's reason is the same word as the metric's label,
the audit text and what a dispatcher's client translates. Values are never renamed, only added.
"""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import Final, NewType

SourceId = NewType("SourceId", str)
CrewId = NewType("CrewId", str)
"""A crew's call sign as its source spells it, unique in the centre."""
CrewNo = NewType("CrewNo", int)
"""A crew's dense row number in the crew index, 0 upward; never reused while the process lives, never stored."""
IncidentId = NewType("IncidentId", int)
AssignmentId = NewType("AssignmentId", int)
TerritoryId = NewType("TerritoryId", str)
"""Path of a territory in the vertical, for example `kz/almaty/medeu`; `""` where none is known."""
CategoryCode = NewType("CategoryCode", str)


class Word(Enum):
    """An enumeration that hashes as fast as any object: its members are the keys of tables that every fact is looked up in.

    `Enum` hashes a member's name, in Python, which costs more than the look-up itself. Members exist once and are compared by
    identity, so the identity's hash is right.
    """

    __hash__ = object.__hash__


class EventKind(IntEnum):
    """What a source says. The number is stored in `event.kind`."""

    CALL = 1
    CALL_UPDATE = 2
    ALARM = 3
    SENSOR = 4
    PLATE = 5
    VIDEO = 6
    POSITION = 7
    CREW_STATUS = 8


class CrewState(Word):
    """Where a crew is in its life cycle; the moves between them are `core.crew.MOVES`."""

    OFF_DUTY = "off_duty"
    FREE = "free"
    ASSIGNED = "assigned"
    EN_ROUTE = "en_route"
    ON_SCENE = "on_scene"
    RETURNING = "returning"
    """Its task is done and it drives back: it can be sent as a free one can."""
    BUSY = "busy"
    OUT_OF_SERVICE = "out_of_service"


class Signal(Word):
    """How old a crew's newest position is (CITY-12): a state with its own terms, so that nobody has to guess from a point."""

    NONE = "none"
    """No position of it has ever come."""
    HEARD = "heard"
    STALE = "stale"
    """Nothing for a while: it is sent only where no crew that is heard can go."""
    LOST = "lost"
    """Nothing for so long that the shift lead has been told."""


class IncidentState(Word):
    """Where an incident is in its life cycle; the moves are `core.incident.MOVES`."""

    OPENED = "opened"
    QUEUED = "queued"
    ASSIGNED = "assigned"
    EN_ROUTE = "en_route"
    ON_SCENE = "on_scene"
    CLEARED = "cleared"
    CLOSED = "closed"
    MERGED = "merged"


class AssignmentState(Word):
    """Where one crew's task is; the moves are `core.incident.ASSIGNMENT_MOVES`."""

    OFFERED = "offered"
    ACCEPTED = "accepted"
    EN_ROUTE = "en_route"
    ON_SCENE = "on_scene"
    CLEARED = "cleared"
    DECLINED = "declined"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


class TermKind(Word):
    """What a running term waits for; the word says what must happen before it is due."""

    ACCEPT = "accept"
    """A crew accepts its assignment."""
    CREW = "crew"
    """Some crew is found for a need of the incident."""
    ON_SCENE = "on_scene"
    """The assigned crew is on scene."""
    REVIEW = "review"
    """The owner looks again at an incident that nothing else watches."""
    WAVE = "wave"
    """The incident is over before the scenario's next crews are asked for."""


class Occasion(Word):
    """What somebody is told of besides a term that has passed."""

    SIGNAL_LOST = "signal_lost"
    TWO_POSITIONS = "two_positions"
    """Two devices report under one crew's call sign."""
    DUTY_NOT_BEGUN = "duty_not_begun"
    """By the roster a crew should be on duty, and it has not said that it is."""
    DUTY_OVER = "duty_over"
    """By the roster a crew's duty has ended, and it is still on duty."""
    PATROL_NOT_STARTED = "patrol_not_started"
    PATROL_OFF_ROUTE = "patrol_off_route"
    PATROL_STANDING = "patrol_standing"
    PATROL_CHECKPOINT_MISSED = "patrol_checkpoint_missed"
    PATROL_FAULT_ENDED = "patrol_fault_ended"
    """Whichever of the first three was told of a crew on its patrol has ended; the text says which, and why."""
    SHIFT_HANDED_OVER = "shift_handed_over"
    MODE_SET = "mode_set"
    SCENARIOS_LOADED = "scenarios_loaded"
    TELLING_WITHDRAWN = "telling_withdrawn"
    """What was to be told of a crew is not so any more, or somebody has it in hand. In the centre's log only."""
    LEFT_OUT = "left_out"
    """The engine has failed on a part of its work, and this process does without it."""


class Part(Word):
    """What the engine can do without, and serve calls all the same: a part of its work, or of its work for one incident."""

    TERMS = "terms"
    """An incident's terms are fired. Left out for single incidents only."""
    CREWS = "crews"
    """Crews are found for an incident. Left out for single incidents only."""
    TOGETHER = "together"
    """Crews are found for all needs of a batch together; without it for one need after another."""
    RELIEF = "relief"
    """A crew that frees takes over from one that is still far away."""
    SIGNALS = "signals"
    """Crews that are not heard any more are noticed."""
    ROSTER = "roster"
    """The plan, and what is noticed where plan and fact part."""
    PATROLS = "patrols"
    SCENARIOS = "scenarios"
    """Another version comes into force."""


class Mode(Word):
    """The mode a 112 service works in: the three of Kazakhstan's order No 138 of 23 February 2015."""

    DAILY = "daily"
    HEIGHTENED = "heightened"
    EMERGENCY = "emergency"


class Stage(Word):
    """A stage of the flow, as its metrics are labelled."""

    DECODE = "decode"
    IDENTIFY = "identify"
    LOCATE = "locate"
    CORRELATE = "correlate"
    ASSIGN = "assign"
    PERSIST = "persist"
    ACKNOWLEDGE = "acknowledge"
    PUBLISH = "publish"
    TERMS = "terms"
    """Part of deciding: what has come due is fired."""
    DECIDE = "decide"
    """All of the engine's work on a batch, terms and locate to assign among it."""


class LocationSource(Word):
    """Where evidence of a place came from, most trusted first (OCC-1)."""

    DEVICE_FIX = "device_fix"
    GIVEN = "given"
    DEVICE_PLACE = "device_place"
    """The registered place of the camera, panel or button itself."""
    ADDRESS = "address"
    SUBSCRIBER = "subscriber"
    CELL = "cell"
    NONE = "none"


class AssignReason(Word):
    """Why a crew was chosen, or passed over, for a need."""

    NEAREST_CAPABLE = "nearest_capable"
    """No eligible crew is nearer."""
    FASTEST_BY_ROAD = "fastest_by_road"
    """Of the nearest eligible crews none is there sooner by road."""
    BEST_FOR_ALL = "best_for_all"
    """Not the nearest, but the choice with which all incidents decided together have the least total distance, or total time
    where roads are known."""
    COVER_KEPT = "cover_kept"
    """Not the nearest: it comes in time as well, and its leaving costs its district less."""
    DIVERTED = "diverted"
    """It was on its way to something less urgent."""
    RELIEF = "relief"
    """It has freed, and is there earlier than the crew that is on its way."""
    NO_CREW = "no_crew"
    ORDERED = "ordered"
    """A dispatcher named this crew."""
    LAST_KNOWN_POSITION = "last_known_position"
    """No crew that is heard can go; by its last position this one is the nearest."""
    # Why a nearer crew with the capability was passed over:
    OFF_DUTY = "off_duty"
    NOT_FREE = "not_free"
    OTHER_TERRITORY = "other_territory"
    EXCLUDED = "excluded"
    """It declined this incident, let its term pass, or was withdrawn from it."""
    TAKEN = "taken"
    """It goes to another incident decided in the same batch."""
    STALE_POSITION = "stale_position"
    """Nobody knows where it is now; a crew that is heard goes first."""
    SLOWER_BY_ROAD = "slower_by_road"
    """It could have gone, and would have been there later."""


class RejectCode(Word):
    """Why an event was not accepted. Sent to the source and stored in `rejected_event.code`."""

    MALFORMED = "malformed"
    """No event with a seq could be read from the frame."""
    UNKNOWN_KIND = "unknown_kind"
    """The `kind` is missing or is none the centre knows."""
    INVALID_FIELD = "invalid_field"
    """A field is missing, of the wrong type, or out of its range."""
    TIME_OUT_OF_RANGE = "time_out_of_range"
    """The event's time is before 2000 or more than five minutes ahead of the centre's clock."""
    FRAME_TOO_LARGE = "frame_too_large"
    """The event is longer than the centre takes."""
    UNKNOWN_CREW = "unknown_crew"
    """The centre does not know the crew; it becomes known by a `crew_status` with its capabilities."""
    UNKNOWN_CALL = "unknown_call"
    """The source has sent no call with this `call_id` that is still open."""
    ILLEGAL_MOVE = "illegal_move"
    """The crew or incident cannot go from its state to this one."""
    SEQ_DECLARED_LOST = "seq_declared_lost"
    """The source said in its hello that it no longer has these events."""
    INTERNAL_FAULT = "internal_fault"
    """The centre itself failed on this event; it is kept for its makers, and the stream goes on."""


PRIORITY_HIGHEST: Final = 1
PRIORITY_LOWEST: Final = 9
