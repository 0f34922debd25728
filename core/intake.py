"""Intake: one event becomes part of an incident, or opens one (identify, locate, correlate, incident).

`prepare` does for a whole batch what pays in a batch: it names the callers, gathers the evidence, and asks once for all
territories and once for all nearest addresses. `take` then decides event by event, in order. Requirements: OCC-1, CITY-1,
CITY-2, CITY-7, CITY-11, CITY-16.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

import msgspec
import numpy as np

from core import limits
from core.category import Category
from core.escalation import Plan
from core.events import Alarm, Call, CallUpdate, Rejected, SensorReading, VideoEvent
from core.facts import CategoryReason, CorrelateReason, EventJoined, Evidence, Joined, Opened, Recategorised
from core.identify import Caller, identify
from core.incident import Incident
from core.informing import inform
from core.instant import Micros, to_micros
from core.locate import best_place, gather
from core.phone import read_phone
from core.ports import Subscriber
from core.recovered import Device
from core.state import CentreState
from core.trace import read_trace
from core.vocabulary import CategoryCode, EventKind, IncidentId, RejectCode, TermKind

Telling = Call | CallUpdate | Alarm | VideoEvent | SensorReading
"""Events that may tell of a happening."""
_KIND_NAME = {
    Call: EventKind.CALL.name.lower(),
    CallUpdate: EventKind.CALL_UPDATE.name.lower(),
    Alarm: EventKind.ALARM.name.lower(),
    VideoEvent: EventKind.VIDEO.name.lower(),
    SensorReading: EventKind.SENSOR.name.lower(),
}


class Prepared(msgspec.Struct, gc=False):
    """An event with everything that could be found out about it before deciding."""

    event: Telling
    label: str
    source: str
    category: Category
    category_reason: CategoryReason
    caller: Caller | None
    device: str
    evidence: list[Evidence]
    place: Evidence | None
    territory: str


def prepare(
    state: CentreState, events: Iterable[tuple[str, Telling]], subscribers: dict[str, Subscriber]
) -> dict[tuple[str, int], Prepared]:
    """Identifies and locates a batch of events; those that open nothing are left out.

    Args:
        state: the centre.
        events: source and event.
        subscribers: E.164 → subscriber for the callers that the base knows.

    Returns:
        (source, seq) → what is known.
    """
    prepared: list[Prepared] = []
    for source, event in events:
        classified = state.categories.classify(event, state.mode)
        if classified is None:
            continue
        caller = _caller(state, event, subscribers)
        device_id = _device_id(event)
        label = f"{source}/{event.seq}"
        evidence = gather(event, label, caller, _device(state, device_id), state.gazetteer)
        place, _ = best_place(evidence)
        prepared.append(Prepared(event, label, source, *classified, caller, device_id, evidence, place, ""))
    _locate(state, prepared)
    return {(item.source, item.event.seq): item for item in prepared}


def take(state: CentreState, item: Prepared) -> IncidentId | Rejected:
    """Decides one event: the incident it belongs to now, or why it is refused."""
    event = item.event
    actor = f"source:{item.source}"
    cause = f"event:{item.label}"
    if isinstance(event, CallUpdate):
        incident = state.open.by_call(f"{item.source}/{event.call_id}")
        if incident is None:
            return Rejected(event.seq, RejectCode.UNKNOWN_CALL, "$.call_id", "no open incident has this source's call")
        _join(state, incident, item, CorrelateReason.SAME_CALL, actor, cause)
        return incident.incident_id
    phone = item.caller.e164 if item.caller is not None else ""
    found = state.open.find(item.category, item.place, phone, item.device, state.now_us)
    if found is None:
        incident = _open(state, item, actor, cause)
    else:
        incident, reason = found
        quiet = isinstance(event, VideoEvent | SensorReading) and reason is CorrelateReason.SAME_DEVICE
        if quiet and state.now_us - incident.told_us < state.rules.repeat_quiet_us:
            return incident.incident_id
        _join(state, incident, item, reason, actor, cause)
    if phone:
        state.earlier.record(phone, to_micros(event.at), incident.incident_id)
    return incident.incident_id


def open_incident(
    state: CentreState, joined: Joined, category: Category, reason: CategoryReason, territory: str, actor: str, cause: str
) -> Incident:
    """Opens an incident, with an owner and its first term (invariant 6), and has crews looked for."""
    incident = Incident(
        incident_id=state.next_incident_id, opened_us=state.now_us, updated_us=state.now_us, told_us=state.now_us
    )
    state.next_incident_id = IncidentId(state.next_incident_id + 1)
    state.incidents[incident.incident_id] = incident
    territory = territory or state.rules.territory
    plan = state.plans.current(category.code)
    state.record(
        incident,
        Opened(
            category=CategoryCode(category.code),
            category_reason=reason,
            priority=category.priority,
            territory=territory,
            owner=f"desk:{territory or state.rules.centre}",
            needs=plan.scenario.needs,
            review_due_us=plan.due_us(TermKind.REVIEW, state.now_us, state.mode),
            joined=joined,
            scenario=plan.scenario.key,
            wave_due_us=_wave_due_us(state, plan),
        ),
        actor,
        cause,
    )
    inform(state, incident, "opened", actor, cause)
    state.open.note(incident, joined, category)
    state.want(incident)
    return incident


def recategorise(
    state: CentreState, incident: Incident, category: Category, reason: CategoryReason, actor: str, cause: str
) -> None:
    """Lets an incident be what an event tells of as well: the more urgent category rules, the needs of both are met.

    A category that nobody knew yet gives way with its needs; crews already sent keep serving what is still needed. The scenario
    is that of the category which rules, in the version that is current when it comes to rule.
    """
    own = state.categories[incident.category]
    vague = own.code == state.categories.default.code
    rules = vague or category.priority < own.priority
    plan = state.plans.current(category.code)
    wanted = plan.scenario.needs
    if vague:
        code, why, priority, needs = category.code, reason, category.priority, wanted
    elif rules:
        code, why, needs = category.code, reason, _widened(wanted, incident.needs)
        priority = min(category.priority, incident.priority)
    else:
        code, why, needs = incident.category, incident.category_reason, _widened(incident.needs, wanted)
        priority = incident.priority
        if needs == incident.needs:
            return
    if incident.priority_fixed:
        priority = incident.priority
    fact = Recategorised(CategoryCode(code), why, priority, needs)
    if rules:
        fact = msgspec.structs.replace(fact, scenario=plan.scenario.key, wave_due_us=_wave_due_us(state, plan))
    state.record(incident, fact, actor, cause)
    inform(state, incident, "opened", actor, cause)
    if rules:
        state.requeue(incident)
    else:
        state.want(incident)


def _wave_due_us(state: CentreState, plan: Plan) -> Micros | None:
    return Micros(state.now_us + plan.waves[0][0]) if plan.waves else None


def _open(state: CentreState, item: Prepared, actor: str, cause: str) -> Incident:
    joined = _joined(item, CorrelateReason.FIRST)
    return open_incident(state, joined, item.category, item.category_reason, item.territory, actor, cause)


def _join(state: CentreState, incident: Incident, item: Prepared, reason: CorrelateReason, actor: str, cause: str) -> None:
    territory = incident.territory
    moves = item.place is not None and is_better(item.place, incident.place)
    if moves:
        territory = item.territory or state.rules.territory
        if incident.place is None or territory != incident.territory:
            state.requeue(incident)
    joined = _joined(item, reason)
    # The view is bounded: what it stops telling of is not found by any more.
    gone = incident.told[1:2] if len(incident.told) >= limits.VIEW_EVENTS_MAX else ()
    state.record(incident, EventJoined(joined, territory), actor, cause)
    if item.category_reason is not CategoryReason.DEFAULT and item.category.code != incident.category:
        recategorise(state, incident, item.category, item.category_reason, actor, cause)
    state.open.note(incident, joined, state.categories[incident.category])
    if gone:
        state.open.release(incident, gone)


def is_better(place: Evidence, known: Evidence | None) -> bool:
    """Whether crews are to be sent to this place rather than to the one known."""
    return known is None or best_place((known, place))[0] is place


def _widened(needs: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...]:
    """The needs, and of the others what they lack, in order: a set's would differ from process to process."""
    lacking = [[other] * max(0, others.count(other) - needs.count(other)) for other in dict.fromkeys(others)]
    return (*needs, *chain.from_iterable(lacking))


def _joined(item: Prepared, reason: CorrelateReason) -> Joined:
    event = item.event
    call = f"{item.source}/{event.call_id}" if isinstance(event, Call | CallUpdate) and event.call_id else ""
    return Joined(
        event=item.label,
        kind=_KIND_NAME[type(event)],
        reason=reason,
        caller=item.caller,
        words="" if isinstance(event, SensorReading) else event.words,
        call=call,
        device=item.device,
        evidence=tuple(item.evidence),
        trace=read_trace(event.traceparent, event.tracestate) if event.traceparent else None,
    )


def _caller(state: CentreState, event: Telling, subscribers: dict[str, Subscriber]) -> Caller | None:
    if not isinstance(event, Call | Alarm) or (isinstance(event, Alarm) and not event.phone):
        return None
    region = state.rules.region
    e164 = read_phone(event.phone, region).e164
    earlier = state.earlier.find(e164, state.now_us) if e164 else ()
    return identify(event.phone, subscribers.get(e164), earlier, region)


def _device_id(event: Telling) -> str:
    if isinstance(event, Alarm | SensorReading):
        return event.device
    return event.camera if isinstance(event, VideoEvent) else ""


def _device(state: CentreState, device_id: str) -> Device | None:
    return state.devices.get(device_id) if device_id else None


def _locate(state: CentreState, prepared: list[Prepared]) -> None:
    placed = [item for item in prepared if item.place is not None]
    if not placed:
        return
    places = [item.place for item in placed if item.place is not None]
    latitude_deg = np.array([place.latitude_deg for place in places])
    longitude_deg = np.array([place.longitude_deg for place in places])
    for item, territory in zip(placed, state.territories.find(latitude_deg, longitude_deg), strict=True):
        item.territory = territory
    unnamed = [row for row, place in enumerate(places) if not place.text]
    if not unnamed:
        return
    addresses = state.gazetteer.nearest(latitude_deg[unnamed], longitude_deg[unnamed])
    for row, address in zip(unnamed, addresses, strict=True):
        if address:
            item, old = placed[row], places[row]
            named = msgspec.structs.replace(old, text=address)
            item.evidence[next(i for i, piece in enumerate(item.evidence) if piece is old)] = named
            item.place = named
