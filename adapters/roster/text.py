"""The roster as lines that a duty officer reads or prints: who serves where, plan against fact, the act of handover.

Times are the centre's local ones; everything but names comes in the language asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from zoneinfo import ZoneInfo

from adapters.roster.words import ASSIGNMENTS, CREW_STATES, DEVIATIONS, LABELS, STATES, TERMS, Language, Phrase
from core.instant import SECOND_US, to_datetime
from core.roster.fact import OFF, Deviation, Mark
from core.roster.handover import Act, OpenIncident
from core.roster.local_time import clock_text, minute_text
from core.roster.model import Person, Shift, ShiftChange
from core.vocabulary import CrewId


class RosterText:
    """Writes in one language and one time zone."""

    def __init__(self, language: Language, zone: ZoneInfo) -> None:
        self._language: Language = language
        self._zone = zone

    def show(self, at_us: int, shifts: Sequence[Shift], states: Mapping[CrewId, Mark]) -> list[str]:
        """Who serves where at an instant: the plan, the fact beside it, and below who is on duty without a plan.

        Args:
            at_us: the instant.
            shifts: those that it lies in.
            states: crew → its mark that holds then.
        """
        day = self._day(at_us)
        lines = [f"{self._label('roster')}, {minute_text(at_us, self._zone)}"]
        lines += [
            f"{self.shift_line(shift, day)} | {self._fact(states.get(shift.crew), day)}"
            for shift in sorted(shifts, key=lambda one: (one.territory, one.place, one.crew))
        ]
        if not shifts:
            lines.append(self._label("nobody"))
        planned = {shift.crew for shift in shifts}
        others = [states[crew] for crew in sorted(states) if crew not in planned and states[crew].state != OFF]
        if others:
            lines.append(f"{self._label('unplanned')}:")
            lines += [
                f"{mark.crew}  {mark.territory or self._label('everywhere')} | {self._fact(mark, day)}" for mark in others
            ]
        return lines

    def shift_line(self, shift: Shift, day: date) -> str:
        """One shift: crew, times, place, people, means."""
        place = shift.place or self._label("no_post")
        parts = [
            f"{shift.crew}  {self._span((shift.from_us, shift.until_us), day)}",
            f"{place} ({shift.territory or self._label('everywhere')})",
            ", ".join(_person(one) for one in shift.people),
            ", ".join((*shift.vehicles, *shift.means)),
            ", ".join(shift.capabilities),
        ]
        return "; ".join(filter(None, parts))

    def mark_line(self, mark: Mark, day: date) -> str:
        """One state that a crew came to."""
        return f"{clock_text(mark.at_us, self._zone, day=day)}  {mark.crew}  {self._state(mark)}"

    def compare(self, found: Sequence[Deviation], day: date) -> list[str]:
        """Plan against fact, a line for each deviation."""
        lines = [f"{self._label('roster')}, {day.isoformat()}: {self._label('plan')} / {self._label('fact')}"]
        for one in found:
            minutes = self._label("minutes").format(count=(one.until_us - one.from_us) // (60 * SECOND_US))
            kind = self._phrase(DEVIATIONS, one.kind.value)
            line = f"{one.crew}  {kind}: {self._span((one.from_us, one.until_us), day)} ({minutes})"
            if one.planned is not None:
                line += f"; {self._label('planned_for').format(span=self._span(one.planned, day))}"
            lines.append(line)
        return lines if found else [*lines, self._label("no_deviation")]

    def history_line(self, change: ShiftChange, day: date) -> str:
        """One change of a shift: which, when, who, and why."""
        what = "withdrawn" if change.withdrawn else change.kind
        shift = f"{change.crew}  {self._span((change.from_us, change.until_us), day)}"
        return ", ".join(
            filter(None, (shift, self._label(what), minute_text(change.at_us, self._zone), change.actor, change.reason))
        )

    def title(self, label: str) -> str:
        """A heading, one of `LABELS`."""
        return f"{self._label(label)}:"

    def act(self, number: int, act: Act) -> list[str]:
        """The act of handover."""
        day = self._day(act.at_us)
        lines = [
            f"{self._label('act')} № {number}, {minute_text(act.at_us, self._zone)}",
            f"{self._label('territory')}: {act.territory or self._label('everywhere')}",
            f"{self._label('handed_over')}: {_person(act.from_person)}",
            f"{self._label('taken_over')}: {_person(act.to_person)}",
            "",
            self._counted("open_incidents", len(act.incidents), act.incident_count),
        ]
        for incident in act.incidents:
            lines += self._incident(incident, act.at_us, day)
        lines += ["", self._counted("crews_out", len(act.crews_out), len(act.crews_out))]
        for crew in act.crews_out:
            planned = (
                self._label("no_shift")
                if crew.planned_until_us is None
                else self._at("shift_until", crew.planned_until_us, day)
            )
            on = "" if crew.incident_id is None else self._label("incident").format(number=crew.incident_id)
            state = f"{self._phrase(CREW_STATES, crew.state)} {self._at('since', crew.since_us, day)}"
            lines.append("  " + ", ".join(filter(None, (crew.crew, state, on, planned))))
        lines += ["", self._counted("notices", len(act.notices), act.notice_count)]
        for notice in act.notices:
            on = self._label("incident").format(number=notice.incident_id)
            time = clock_text(notice.at_us, self._zone, day=day)
            lines.append(f"  {time}, {on}, {self._phrase(TERMS, notice.term)}: {notice.text}")
        return lines

    def _incident(self, incident: OpenIncident, at_us: int, day: date) -> list[str]:
        parts = [
            f"№ {incident.incident_id}",
            incident.category,
            self._label("priority").format(number=incident.priority),
            self._phrase(STATES, incident.state),
            incident.territory,
            self._label("owner").format(name=incident.owner) if incident.owner else self._label("no_owner"),
            self._at("since", incident.opened_us, day),
        ]
        lines = ["  " + ", ".join(filter(None, parts))]
        lines += [f"    {crew.crew}: {self._phrase(ASSIGNMENTS, crew.state)}" for crew in incident.crews]
        for term in incident.terms:
            due = self._at("until" if term.due_us > at_us else "overdue", term.due_us, day)
            lines.append("    " + ", ".join(filter(None, (self._phrase(TERMS, term.kind), term.crew, due))))
        return lines

    def _counted(self, label: str, shown: int, count: int) -> str:
        if not count:
            return f"{self._label(label)}: {self._label('nothing')}"
        return f"{self._label(label)}: {count if shown == count else self._label('shown_of').format(count=count, shown=shown)}"

    def _fact(self, mark: Mark | None, day: date) -> str:
        if mark is None:
            return self._label("unheard")
        return f"{self._state(mark)} {self._at('since', mark.at_us, day)}"

    def _state(self, mark: Mark) -> str:
        state = self._phrase(CREW_STATES, mark.state)
        return state if mark.incident_id is None else f"{state}, {self._label('incident').format(number=mark.incident_id)}"

    def _at(self, label: str, at_us: int, day: date) -> str:
        return self._label(label).format(time=clock_text(at_us, self._zone, day=day))

    def _span(self, span: tuple[int, int], day: date) -> str:
        return "–".join(clock_text(one, self._zone, day=day) for one in span)

    def _day(self, at_us: int) -> date:
        return to_datetime(at_us).astimezone(self._zone).date()

    def _label(self, key: str) -> str:
        return LABELS[key].in_language(self._language)

    def _phrase(self, table: Mapping[str, Phrase], key: str) -> str:
        """A word of the vocabulary; one that is newer than this table stands for itself."""
        phrase = table.get(key)
        return key if phrase is None else phrase.in_language(self._language)


def _person(person: Person) -> str:
    said = (person.rank, person.name, person.badge and f"№ {person.badge}", person.role and f"({person.role})", person.phone)
    return " ".join(filter(None, said))
