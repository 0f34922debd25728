"""A course as a document for people: titles, tables and sentences in one language, whatever it is then drawn as.

HTML and PDF are drawn from this alone, so they cannot differ in what they say. Instants are shown in the centre's local time
with the offset beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta, timezone
from typing import Final, assert_never

import msgspec

from adapters.certificate.words import ACTORS, CAUSES, ENDS, FACTS, LABELS, MOVES, REASONS, STATES, STEPS, TERMS, Language
from core.category import CategoryTable
from core.course import Course, Step
from core.facts import (
    TAGS,
    Absorbed,
    Acknowledged,
    ArrivalLeft,
    ArrivalSeen,
    AssignmentEnded,
    AssignmentHeld,
    AssignmentMoved,
    Closed,
    CrewAssigned,
    EventJoined,
    EventsLeft,
    Fact,
    MergedInto,
    NeedsRaised,
    Noted,
    Opened,
    OwnerSet,
    PersonTold,
    PrioritySet,
    Queued,
    Recategorised,
    TermFired,
    TermsCarried,
)
from core.instant import Micros, to_datetime
from core.vocabulary import AssignmentId


class Section(msgspec.Struct, frozen=True):
    """A titled table."""

    title: str
    columns: list[str]
    rows: list[list[str]]


class Document(msgspec.Struct, frozen=True):
    """What a certificate shows."""

    language: str
    title: str
    facts: list[tuple[str, str]]
    """Label and value."""
    sections: list[Section]
    digest_label: str
    digest: str
    page: str
    """The word before a page's number."""


TRACES_SHOWN: Final = 5
"""A sheet names the traces of the first events that had one; the JSON has all."""


def _traces(course: Course) -> str:
    """Which event belonged to which trace of the system that sent it."""
    traced = [(told.joined.event, told.joined.trace.trace_id) for told in course.tellings if told.joined.trace is not None]
    more = f", … ({len(traced)})" if len(traced) > TRACES_SHOWN else ""
    return ", ".join(f"{event}: {trace_id}" for event, trace_id in traced[:TRACES_SHOWN]) + more


class Writer:
    """Writes one course in one language.

    Args:
        language: of the document.
        categories: whose names are used; a code that the table has no longer stands for itself.
        centre: name of the centre.
        utc_offset: of the times shown.
    """

    def __init__(self, language: Language, categories: CategoryTable, centre: str, utc_offset: timedelta) -> None:
        self._language: Language = language
        self._categories = categories
        self._centre = centre
        self._zone = timezone(utc_offset)

    def document(self, course: Course) -> Document:
        """The whole certificate."""
        label = self._label
        place = "" if course.latitude_deg is None else f"{course.latitude_deg:.6f}, {course.longitude_deg:.6f}"
        facts = [
            (label("centre"), self._centre),
            (label("category"), self._category(course.category)),
            (label("priority"), str(course.priority)),
            (label("state"), STATES[course.state.value].in_language(self._language)),
            (label("opened"), self._instant(course.opened_us)),
            (label("closed"), self._instant(course.closed_us)),
            (label("address"), course.address or label("unknown")),
            (label("coordinates"), place or label("unknown")),
            (label("territory"), course.territory),
            (label("owner"), course.owner),
            (label("result"), course.result),
            (label("trace"), _traces(course)),
        ]
        return Document(
            language=self._language,
            title=f"{label('title')}. {label('incident')} {course.incident_id}",
            facts=[(name, value) for name, value in facts if value],
            sections=[self._tellings(course), self._crews(course), self._terms(course), self._steps(course)],
            digest_label=label("digest"),
            digest=course.sha256,
            page=label("page"),
        )

    def _tellings(self, course: Course) -> Section:
        rows = []
        for telling in course.tellings:
            caller = telling.joined.caller
            phone = "" if caller is None else caller.e164 or caller.as_given
            name = "" if caller is None else ", ".join(part for part in (caller.name, caller.address) if part)
            rows.append([self._instant(telling.at_us), telling.joined.event, name, phone, telling.joined.words])
        return self._section("tellings", ("when", "source", "caller", "phone", "said"), rows)

    def _crews(self, course: Course) -> Section:
        rows = [
            [
                crew.crew,
                crew.capability,
                *(
                    self._instant(at_us)
                    for at_us in (crew.offered_us, crew.accepted_us, crew.en_route_us, crew.on_scene_us, crew.ended_us)
                ),
                f"{crew.explanation.distance_m:.0f}",
                "" if crew.explanation.travel_s is None else f"{crew.explanation.travel_s / 60:.1f}",
            ]
            for crew in course.crews
        ]
        times = ("offered", "accepted", "en_route", "on_scene", "ended")
        return self._section("crews", ("crew", "capability", *times, "distance", "travel"), rows)

    def _terms(self, course: Course) -> Section:
        rows = [
            [
                TERMS[term.kind.value].in_language(self._language),
                term.crew,
                self._instant(term.began_us),
                self._instant(term.due_us),
                self._instant(term.ended_us),
                ENDS[term.end.value].in_language(self._language),
            ]
            for term in course.terms
        ]
        return self._section("terms", ("term", "crew", "began", "due", "ended", "end"), rows)

    def _steps(self, course: Course) -> Section:
        crews = {crew.assignment_id: crew.crew for crew in course.crews}
        rows = [
            [self._instant(step.at_us), self._actor(step.actor), self._sentence(step.fact, crews), self._cause(step)]
            for step in course.steps
        ]
        return self._section("course", ("when", "who", "what", "why"), rows)

    def _section(self, title: str, columns: Sequence[str], rows: list[list[str]]) -> Section:
        return Section(self._label(title), [self._label(column) for column in columns], rows)

    def _sentence(self, fact: Fact, crews: dict[AssignmentId, str]) -> str:
        if isinstance(fact, AssignmentMoved | AssignmentEnded):
            other = "" if isinstance(fact, AssignmentMoved) or fact.served_by is None else crews[fact.served_by]
            move = MOVES["served_by" if other else fact.to.value].in_language(self._language)
            told = move.format(crew=crews[fact.assignment_id], other=other)
            return f"{told}: {fact.text}" if isinstance(fact, AssignmentEnded) and fact.text else told
        if isinstance(fact, ArrivalSeen):
            there = FACTS["arrival_seen"].in_language(self._language)
            return there.format(crew=crews[fact.assignment_id], distance=f"{fact.distance_m:.0f}")
        if isinstance(fact, ArrivalLeft | TermsCarried):
            return FACTS[TAGS[type(fact)]].in_language(self._language).format(crew=crews[fact.assignment_id])
        if isinstance(fact, AssignmentHeld):
            turned = MOVES["held" if fact.held else "turned_to"]
            return turned.in_language(self._language).format(crew=crews[fact.assignment_id])
        named: dict[str, object]
        match fact:
            case Opened() | Recategorised():
                named = {"category": self._category(fact.category), "priority": fact.priority}
            case EventJoined():
                named = {"event": fact.joined.event}
            case NeedsRaised():
                named = {"needs": ", ".join(fact.needs)}
            case PrioritySet():
                named = {"priority": fact.priority}
            case Queued():
                named = {"capability": fact.capability}
            case CrewAssigned():
                distance = f"{fact.explanation.distance_m:.0f}"
                reason = REASONS[fact.explanation.reason.value].in_language(self._language)
                if fact.relieves is not None:
                    relieves = MOVES["relieves"].in_language(self._language)
                    reason = f"{reason}; {relieves.format(crew=fact.relieves.crew)}"
                named = {"crew": fact.crew, "capability": fact.capability, "distance": distance, "reason": reason}
            case TermFired():
                done = STEPS[fact.step.value].in_language(self._language).format(told=self._actor(fact.told))
                named = {"term": TERMS[fact.term.value].in_language(self._language), "done": done}
            case Acknowledged():
                named = {"terms": ", ".join(TERMS[kind.value].in_language(self._language) for kind in fact.terms)}
            case PersonTold():
                named = {"told": self._actor(fact.to), "when": STATES[fact.when].in_language(self._language)}
            case OwnerSet():
                named = {"owner": self._actor(fact.owner)}
            case Noted():
                named = {"words": fact.words}
            case Absorbed():
                named = {"other": fact.other}
            case MergedInto():
                named = {"into": fact.into}
            case EventsLeft():
                named = {"to": fact.to, "events": ", ".join(fact.events)}
            case Closed():
                named = {"result": fact.result}
            case _:
                assert_never(fact)
        return FACTS[TAGS[type(fact)]].in_language(self._language).format(**named)

    def _actor(self, actor: str) -> str:
        kind, _, name = actor.partition(":")
        phrase = ACTORS.get(kind)
        word = kind if phrase is None else phrase.in_language(self._language)
        return f"{word} {name}" if name else word

    def _cause(self, step: Step) -> str:
        kind, _, name = step.cause.partition(":")
        if kind == "term":
            return TERMS[name].in_language(self._language)
        own = CAUSES.get(kind)
        return name or (kind if own is None else own.in_language(self._language))

    def _category(self, code: str) -> str:
        if code not in self._categories:
            return code
        name: str = getattr(self._categories[code].name, self._language)
        return name

    def _instant(self, at_us: Micros | None) -> str:
        return "" if at_us is None else to_datetime(at_us).astimezone(self._zone).strftime("%Y-%m-%d %H:%M:%S %z")

    def _label(self, key: str) -> str:
        return LABELS[key].in_language(self._language)
