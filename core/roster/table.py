"""Tables of a roster file into shifts and places, and back: every fault named by row, field, value and what is allowed.

Place in the flow: before the plan. A table comes from a file's codec (`adapters/roster/`) as text cells; what is whole here is
checked against the rest of the plan by `core.roster.checks`. Writing and reading again gives the same roster.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from core import limits
from core.instant import Micros
from core.roster.columns import (
    KIND_SHOWN,
    PLACE_COLUMNS,
    PLACE_REQUIRED,
    SHIFT_COLUMNS,
    SHIFT_REQUIRED,
    Column,
    Language,
    find_columns,
    plain,
)
from core.roster.fields import (
    Cell,
    FieldError,
    checked_cell,
    crew_of,
    items,
    kind_of,
    name_of,
    person_of,
    span_of,
    territory_of,
    words,
)
from core.roster.local_time import local_text
from core.roster.model import Person, Place, Roster, Shift, fold
from core.vocabulary import CrewId

HEADER_ROWS: Final = 20
"""Among the first so many rows the header is looked for: printed rosters have titles above it."""
_SHARED: Final = ("territory", "post", "route", "capabilities", "vehicles", "means")
"""Fields of the shift and not of the person: the rows of one shift say the same, or leave them empty."""
_SHOWN_CHARS: Final = 80


class Table(msgspec.Struct, frozen=True):
    """Rows of text, the header among them."""

    name: str
    """Of the file, with the sheet's where it has several."""
    rows: list[tuple[int, list[str]]]
    """The row's number in the file, from 1, and its cells without blanks around them."""


class Origin(msgspec.Struct, frozen=True):
    """Where a shift or a place stands; `row` is 0 for what was planned before."""

    table: str
    row: int

    def __str__(self) -> str:
        return f"row {self.row}" if self.row else "the plan so far"


class RowError(msgspec.Struct, frozen=True):
    """One fault. As text: `duty.xlsx: row 7: until = '8 утра': must be a time …`."""

    table: str
    row: int
    """0 for the table as a whole."""
    field: str
    """The column's own name; `""` for the row as a whole."""
    value: str
    allowed: str

    def __str__(self) -> str:
        shown = self.value if len(self.value) <= _SHOWN_CHARS else self.value[: _SHOWN_CHARS - 1] + "…"
        field = f"{self.field} = {shown!r}" if self.field else ""
        return ": ".join(filter(None, (self.table, f"row {self.row}" if self.row else "", field, self.allowed)))


class Tables(msgspec.Struct):
    """What some tables hold."""

    shifts: list[tuple[Shift, Origin]] = msgspec.field(default_factory=list)
    places: list[tuple[Place, Origin]] = msgspec.field(default_factory=list)
    errors: list[RowError] = msgspec.field(default_factory=list)
    passed_over: list[str] = msgspec.field(default_factory=list)
    """Columns and tables that say nothing to the roster."""


class _Body(msgspec.Struct, frozen=True):
    """A table below its header."""

    table: Table
    first: int
    columns: dict[str, int]

    def __iter__(self) -> Iterator[tuple[Origin, Cell]]:
        for row, cells in self.table.rows[self.first :]:
            if any(cells):
                yield Origin(self.table.name, row), self._cell_of(cells)

    def _cell_of(self, cells: list[str]) -> Cell:
        def cell(name: str) -> str:
            place = self.columns.get(name, len(cells))
            return checked_cell(name, cells[place]) if place < len(cells) else ""

        return cell


def read_tables(tables: Sequence[Table], zone: ZoneInfo) -> Tables:
    """The shifts and places of some tables, with every fault of every row.

    Args:
        tables: as a file's codec gives them.
        zone: of local times, where a row names none.
    """
    found = Tables()
    row_count = 0
    for table in tables:
        shifts = _body_of(table, SHIFT_COLUMNS, SHIFT_REQUIRED, found)
        places = None if shifts else _body_of(table, PLACE_COLUMNS, PLACE_REQUIRED, found)
        if shifts is not None:
            _read_shifts(shifts, zone, found)
        elif places is not None:
            _read_places(places, found)
        elif table.rows:
            found.passed_over.append(f"{table.name}: has no header of a roster")
        row_count += sum(1 for _, cells in table.rows if any(cells))
    name = ", ".join(dict.fromkeys(table.name for table in tables))
    if row_count > limits.ROSTER_ROWS_MAX:
        found.errors.append(RowError(name, 0, "", "", f"has {row_count} rows; {limits.ROSTER_ROWS_MAX} are read at once"))
    if not (found.shifts or found.places or found.errors):
        wanted = f"{', '.join(SHIFT_REQUIRED)} for shifts, {', '.join(PLACE_REQUIRED)} for posts and routes"
        found.errors.append(RowError(name, 0, "", "", f"no roster in it: it needs rows below a header with {wanted}"))
    return found


def _body_of(table: Table, columns: Sequence[Column], required: Sequence[str], found: Tables) -> _Body | None:
    for number, (_, cells) in enumerate(table.rows[:HEADER_ROWS]):
        places = find_columns(cells, columns)
        if all(name in places for name in required):
            known = {plain(cells[place]) for place in places.values()}
            found.passed_over += [f"{table.name}: column {cell!r}" for cell in cells if plain(cell) not in known | {""}]
            return _Body(table, number + 1, places)
    return None


def _read_places(body: _Body, found: Tables) -> None:
    seen: dict[tuple[str, str], int] = {}
    for origin, cell in body:
        try:
            place = Place(kind_of(cell), name_of(cell), territory_of(cell))
            first = seen.setdefault((place.kind, fold(place.name)), origin.row)
            if first != origin.row:
                raise FieldError("name", place.name, f"must stand once: row {first} has this {place.kind} already")
            found.places.append((place, origin))
        except FieldError as error:
            found.errors.append(RowError(origin.table, origin.row, error.field, error.value, error.allowed))


def _read_shifts(body: _Body, zone: ZoneInfo, found: Tables) -> None:
    drafts: dict[tuple[str, int, int], _Draft] = {}
    for origin, cell in body:
        try:
            crew = crew_of(cell)
            from_us, until_us = span_of(cell, zone)
            draft = drafts.get((crew, from_us, until_us))
            if draft is None:
                draft = drafts[crew, from_us, until_us] = _Draft(crew, from_us, until_us, origin, cell)
            else:
                draft.compare(cell)
            draft.add(person_of(cell))
        except FieldError as error:
            found.errors.append(RowError(origin.table, origin.row, error.field, error.value, error.allowed))
    found.shifts += [(draft.whole(), draft.origin) for draft in drafts.values()]


class _Draft:
    """A shift while its rows are read."""

    def __init__(self, crew: str, from_us: Micros, until_us: Micros, origin: Origin, cell: Cell) -> None:
        self.origin = origin
        self._said = {field: cell(field) for field in _SHARED}
        self._people: list[Person] = []
        self._shift = Shift(
            crew=CrewId(crew),
            from_us=from_us,
            until_us=until_us,
            territory=territory_of(cell),
            post=words(cell("post")),
            route=words(cell("route")),
            capabilities=items("capabilities", cell),
            vehicles=items("vehicles", cell),
            means=items("means", cell),
        )
        if self._shift.post and self._shift.route:
            raise FieldError("route", cell("route"), f"must be empty beside the post {cell('post')!r}: a shift has one place")
        if not (self._shift.territory or self._shift.place):
            raise FieldError("territory", "", "must not be empty where a shift has neither post nor route")

    def compare(self, cell: Cell) -> None:
        """Checks that a further row of the shift says of it what the first one did."""
        for field, said in self._said.items():
            if cell(field) not in ("", said):
                allowed = f"must be {said!r} or empty, as in row {self.origin.row} of the same shift"
                raise FieldError(field, cell(field), allowed)

    def add(self, person: Person | None) -> None:
        """Takes the person of a row."""
        if person is None:
            return
        if any(person.key == other.key for other in self._people):
            raise FieldError("name", person.name, "must stand once in a shift")
        if len(self._people) == limits.ROSTER_LIST_MAX:
            raise FieldError("name", person.name, f"must be one of at most {limits.ROSTER_LIST_MAX} people of a shift")
        self._people.append(person)

    def whole(self) -> Shift:
        """The shift with its people."""
        return msgspec.structs.replace(self._shift, people=tuple(self._people))


def shift_table(roster: Roster, zone: ZoneInfo, language: Language) -> list[list[str]]:
    """The shifts as rows under a header; times with their offset, so that they are read back exactly anywhere."""
    columns = [column for column in SHIFT_COLUMNS if column.name not in ("day", "zone")]
    rows = [[column.header(language) for column in columns]]
    for shift in roster.shifts:
        shared = {
            "crew": shift.crew,
            "from": local_text(shift.from_us, zone),
            "until": local_text(shift.until_us, zone),
            "territory": shift.territory,
            "post": shift.post,
            "route": shift.route,
            "capabilities": ", ".join(shift.capabilities),
            "vehicles": ", ".join(shift.vehicles),
            "means": ", ".join(shift.means),
        }
        for person in shift.people or (Person(""),):
            own = {"badge": person.badge, "name": person.name, "rank": person.rank, "role": person.role, "phone": person.phone}
            rows.append([(shared | own)[column.name] for column in columns])
    return rows


def place_table(roster: Roster, language: Language) -> list[list[str]]:
    """The posts and routes as rows under a header."""
    rows = [[column.header(language) for column in PLACE_COLUMNS]]
    rows += [[KIND_SHOWN[place.kind].header(language), place.name, place.territory] for place in roster.places]
    return rows
