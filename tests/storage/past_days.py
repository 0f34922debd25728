"""A hand-made past: incidents of many days as the writer commits them, with the little of a view that the past is read from."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from core.decisions import IncidentChange, LogEntry
from core.instant import SECOND_US, Micros
from core.vocabulary import CategoryCode, IncidentId, IncidentState
from storage.past import Address, Place
from storage.session import connect
from storage.writer import Writer
from tests.storage import samples

DAY_US = 86_400 * SECOND_US
NOW = samples.NOW
HERE = (43.25, 76.95)


def addresses(places: Sequence[Place]) -> list[Address]:
    """An address reader for texts such as `5/10`: house 10 of street 5; `5` is the street alone."""
    read: list[Address] = []
    for place in places:
        street, _, house = place.text.partition("/")
        read.append(Address(int(street + house) if house else None, (int(street),) if street else ()))
    return read


def view(text: str, at: tuple[float, float] | None, phones: Sequence[str], result: str) -> bytes:
    """What the past reads of an incident's view, among fields that it does not know."""
    place = None if at is None else {"source": "address", "latitude_deg": at[0], "longitude_deg": at[1], "accuracy_m": 15.0}
    told = [{"event": f"tel/{number}", "caller": {"e164": phone}} for number, phone in enumerate(phones)]
    told.append({"event": "panel/1"})
    body: dict[str, object] = {"terms": [], "told": told, "result": result}
    if place is not None:
        body["place"] = {**place, "text": text} if text else place
    return msgspec.json.encode(body)


def incident(
    number: int,
    *,
    days_ago: float = 10,
    version: int = 1,
    text: str = "",
    at: tuple[float, float] | None = HERE,
    phones: Sequence[str] = (),
    category: str = "fire",
    territory: str = "kz/almaty/medeu",
    result: str | None = None,
    merged: bool = False,
) -> IncidentChange:
    """An incident; it is closed when it has a result, and open otherwise."""
    opened_us = Micros(round(NOW - days_ago * DAY_US))
    over = result is not None or merged
    state = IncidentState.MERGED if merged else IncidentState.CLOSED if over else IncidentState.OPENED
    return IncidentChange(
        incident_id=IncidentId(number),
        version=version,
        created=version == 1,
        opened_us=opened_us,
        updated_us=opened_us,
        closed_us=Micros(opened_us + 1) if over else None,
        state=state,
        category=CategoryCode(category),
        priority=2,
        territory=territory,
        latitude_deg=None if at is None else at[0],
        longitude_deg=None if at is None else at[1],
        crews=(),
        phone=phones[0] if phones else "",
        view=view(text, at, phones, result or ""),
    )


def line(change: IncidentChange, fact: str = "", at_us: Micros | None = None) -> LogEntry:
    """The line of its log with which a change came."""
    named = fact or ("opened" if change.version == 1 else "closed")
    when = at_us or (change.opened_us if change.version == 1 else NOW)
    return LogEntry(change.incident_id, change.version, when, named, "source:tel", "event:tel/1", b"{}")


class Days:
    """A writer that commits such incidents, a batch at a time."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.batch_no = 0
        self._writer = Writer(dsn, 1)

    async def __aenter__(self) -> Days:
        connection = await connect(self.dsn, "test")
        try:
            await connection.execute("UPDATE centre SET epoch = 1")
            self.batch_no = await connection.fetchval("SELECT last_batch FROM centre")
        finally:
            await connection.close()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._writer.close()

    async def commit(self, *changes: IncidentChange, now_us: Micros = NOW, entries: list[LogEntry] | None = None) -> None:
        """Commits a batch with a line of the log for each change, or with these."""
        self.batch_no += 1
        log = [line(one) for one in changes] if entries is None else entries
        await self._writer.commit(samples.batch(self.batch_no, incidents=list(changes), entries=log, now_us=now_us))
