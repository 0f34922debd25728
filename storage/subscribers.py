"""The telephone exchanges' subscriber base: imported from CSV, looked up for a whole batch in one query, and remembered.

Place in the flow: event → **identify**. Requirement OCC-1. Rules:

- An import never takes the base away. A replacement is built beside it and put in its place in one short transaction; a merge
  is one transaction that look-ups do not wait for. Until its end they answer from the old base, after it from the new one.
- Of several lines for one number the last one counts.
- Look-ups ask for numbers in E.164 and get those that are registered.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO, assert_never

import asyncpg

from core.instant import SECOND_US
from core.phone import PhoneKind, read_phone
from core.ports import Subscriber
from storage.register_file import FieldError, Progress, RegisterFile, Rejections, degrees_field, text_field
from storage.register_import import ImportMode, ImportReport, copy_text, one_import, raise_version, storage_errors

if TYPE_CHECKING:
    from storage.register_import import Connection

COLUMNS: Final = ("phone", "name", "line", "address", "latitude_deg", "longitude_deg")
LINES: Final = frozenset({"", "landline", "mobile", "payphone", "voip", "m2m"})
CACHE_MAX: Final = 50_000
"""Numbers remembered, registered or not; some 30 MB."""
VERSION_CHECK_US: Final = 1 * SECOND_US
"""How long the cache may answer without asking whether the base has been imported anew."""
SWAP_LOCK_TIMEOUT_MS: Final = 250
"""How long putting a new base in place may make look-ups wait behind it before it stands back."""
SWAP_TRIES: Final = 240
SWAP_PAUSE_S: Final = 0.25

_STAGED: Final = ("line_no", "phone", "latitude_deg", "longitude_deg", "line", "name", "address")
_LAST_LINES: Final = """
    SELECT DISTINCT ON (phone) phone, latitude_deg, longitude_deg, line, name, address
    FROM subscriber_staging ORDER BY phone, line_no DESC"""
# The version comes with the rows, from one snapshot; a look-up that finds nobody still gives it.
_LOOKUP: Final = """
    SELECT s.phone, s.name, s.line, s.address, s.latitude_deg, s.longitude_deg, v.version
    FROM register_version v LEFT JOIN subscriber s ON s.phone = ANY($1::bigint[])
    WHERE v.register = 'subscriber'"""


async def import_subscribers(
    connection: Connection,
    path: Path,
    *,
    mode: ImportMode = ImportMode.REPLACE,
    headers: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
    delimiter: str = ",",
    region: str = "KZ",
    errors_to: TextIO | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Imports a subscriber file; for a connection outside any transaction, in a process that has nothing else to do.

    Measured on two shared cores, fsync on: 1,000,000 lines in 11.5 s (87,000 a second), of which 8 s are reading and checking;
    a merge that changes nothing, 12 s. The base takes 129 MB a million.

    Args:
        connection: where the base is. It is used for this import alone until the end.
        path: delimited text with a header line; `COLUMNS` names the columns, of which `phone` must be there.
        mode: whether numbers that the file does not mention go or stay.
        headers: our column → the file's header, where they differ.
        encoding: for example `utf-8` or `cp1251`.
        delimiter: one character.
        region: whose national spelling the numbers have, as in `core.phone.read_phone`.
        errors_to: gets every refused line as CSV: line, column, reason, value.
        progress: called with bytes read and bytes in all.

    Raises:
        RegisterFileError: the file as a whole cannot be read; the base is as it was.
        ImportRunning: another import of the base is running.
        StorageError: storage failed; the base is as it was.
    """
    file = RegisterFile(path, COLUMNS, ("phone",), headers=headers, encoding=encoding, delimiter=delimiter, progress=progress)
    rejections = Rejections(errors_to)
    with storage_errors():
        async with one_import(connection, "subscriber"):
            accepted, imported, row_count, version = await _import(connection, _staged(file, rejections, region), mode)
    return ImportReport(
        line_count=file.line_count,
        accepted=accepted,
        rejected=rejections.count,
        duplicates=accepted - imported,
        row_count=row_count,
        version=version,
        errors=tuple(rejections.kept),
    )


async def _import(connection: Connection, staged: AsyncIterator[bytes], mode: ImportMode) -> tuple[int, int, int, int]:
    """Stages the rows and brings them into the base: rows staged, numbers among them, rows in the base, its version."""
    await connection.execute(
        "CREATE TEMP TABLE subscriber_staging (line_no bigint, phone bigint, latitude_deg double precision,"
        " longitude_deg double precision, line text, name text, address text)"
    )
    try:
        status = await connection.copy_to_table(
            "subscriber_staging",
            source=staged,
            columns=_STAGED,
            format="csv",
            force_not_null=("line", "name", "address"),
        )
        accepted = int(status.split()[-1])
        match mode:
            case ImportMode.REPLACE:
                imported = await _build(connection)
                return accepted, imported, imported, await _swap(connection, imported)
            case ImportMode.MERGE:
                return accepted, *await _merge(connection)
        assert_never(mode)
    finally:
        if not connection.is_closed():
            await connection.execute("DROP TABLE pg_temp.subscriber_staging")


async def _staged(file: RegisterFile, rejections: Rejections, region: str) -> AsyncIterator[bytes]:
    def convert(line_no: int, fields: list[str]) -> tuple[object, ...]:
        return line_no, *_row(fields, region)

    for rows in file.rows(convert, rejections):
        if rows:
            yield copy_text(rows)


def _row(fields: list[str], region: str) -> tuple[object, ...]:
    """One line's fields, in the order of `COLUMNS`, as the table's columns."""
    phone_text, name, line, address, latitude, longitude = fields
    phone = read_phone(phone_text, region)
    if phone.kind is not PhoneKind.VALID:
        raise FieldError("phone", f"is not a subscriber's number: {phone.kind.value}", phone_text)
    if line not in LINES:
        line = line.casefold()
        if line not in LINES:
            raise FieldError("line", f"must be one of {', '.join(sorted(LINES - {''}))}, or empty", line)
    latitude_deg = longitude_deg = None
    if latitude or longitude:
        if not latitude or not longitude:
            raise FieldError("longitude_deg" if latitude else "latitude_deg", "is empty while the other one is given")
        latitude_deg = degrees_field("latitude_deg", latitude, 90.0)
        longitude_deg = degrees_field("longitude_deg", longitude, 180.0)
    return (
        phone.e164[1:],
        latitude_deg,
        longitude_deg,
        line,
        text_field("name", name),
        text_field("address", address),
    )


async def _build(connection: Connection) -> int:
    """Builds the new base beside the old one, in order of number, and returns its rows."""
    async with connection.transaction():
        await connection.execute("DROP TABLE IF EXISTS subscriber_incoming")
        await connection.execute("CREATE TABLE subscriber_incoming (LIKE subscriber INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
        status = await connection.execute(f"INSERT INTO subscriber_incoming {_LAST_LINES}")
        await connection.execute("ALTER TABLE subscriber_incoming ADD PRIMARY KEY (phone)")
    # Look-ups plan by these figures from their first one on.
    await connection.execute("ANALYZE subscriber_incoming")
    return int(status.split()[-1])


async def _swap(connection: Connection, row_count: int) -> int:
    """Puts the new base in the old one's place and returns its version.

    The exclusive lock waits for look-ups that are under way, and later look-ups wait behind it. So it never waits long: it
    stands back and tries again. With `SWAP_TRIES` in vain the import fails and the old base stays.
    """
    for tries_left in reversed(range(SWAP_TRIES)):
        try:
            async with connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = {SWAP_LOCK_TIMEOUT_MS}")
                await connection.execute("DROP TABLE subscriber")
                await connection.execute("ALTER TABLE subscriber_incoming RENAME TO subscriber")
                await connection.execute("ALTER INDEX subscriber_incoming_pkey RENAME TO subscriber_pkey")
                return await raise_version(connection, "subscriber", row_count)
        except asyncpg.LockNotAvailableError:
            if not tries_left:
                raise
            await asyncio.sleep(SWAP_PAUSE_S)
    raise AssertionError("unreachable: the last try returns or raises")


async def _merge(connection: Connection) -> tuple[int, int, int]:
    """Merges the staged lines into the base: rows merged, rows in all, version."""
    async with connection.transaction():
        await connection.execute(
            f"INSERT INTO subscriber AS s (phone, latitude_deg, longitude_deg, line, name, address) {_LAST_LINES} "
            "ON CONFLICT (phone) DO UPDATE SET latitude_deg = excluded.latitude_deg, longitude_deg = excluded.longitude_deg,"
            " line = excluded.line, name = excluded.name, address = excluded.address "
            # A row that says the same is left alone: most of a merge is, and each rewritten row is bloat.
            "WHERE (s.latitude_deg, s.longitude_deg, s.line, s.name, s.address) IS DISTINCT FROM"
            " (excluded.latitude_deg, excluded.longitude_deg, excluded.line, excluded.name, excluded.address)"
        )
        merged: int = await connection.fetchval("SELECT count(DISTINCT phone) FROM subscriber_staging")
        row_count: int = await connection.fetchval("SELECT count(*) FROM subscriber")
        version = await raise_version(connection, "subscriber", row_count)
    return merged, row_count, version


async def lookup(connection: Connection, phones: Sequence[str]) -> dict[str, Subscriber]:
    """The registered ones of these numbers, in one query.

    Measured in a base of a million: 500 registered numbers 2.4 ms, 500 unknown 0.7 ms, 20 numbers 0.26 ms, one 0.15 ms.

    Args:
        connection: any; outside a transaction, or inside one at READ COMMITTED.
        phones: numbers in E.164 (`core.phone.Phone.e164`); any other text is nobody's.

    Raises:
        StorageError: storage failed.
    """
    return (await _fetch(connection, phones))[1]


async def _fetch(connection: Connection, phones: Sequence[str]) -> tuple[int, dict[str, Subscriber]]:
    digits = [int(phone[1:]) for phone in phones if phone[:1] == "+" and len(phone) <= 16 and phone[1:].isdecimal()]
    with storage_errors():
        rows = await connection.fetch(_LOOKUP, digits)
    found: dict[str, Subscriber] = {}
    version: int = rows[0]["version"]
    for number, name, line, address, latitude_deg, longitude_deg, _ in rows:
        if number is not None:
            phone = f"+{number}"
            found[phone] = Subscriber(phone, name, line, address, latitude_deg, longitude_deg)
    return version, found


class SubscriberCache:
    """Subscribers looked up lately, and numbers that were found to have none.

    Invariant: every entry is of the base's version `version`. An import is seen with the next query, and a query is made at
    least every `VERSION_CHECK_US`. Bounded by `max_numbers`; the number least recently asked for goes first.
    """

    def __init__(self, max_numbers: int = CACHE_MAX) -> None:
        self._max_numbers = max_numbers
        self._lock = threading.Lock()
        """Held for a look at the entries, never while the base is asked: one thread looks up, another asks what is known."""
        self._entries: dict[str, Subscriber | None] = {}
        self._checked_us: int | None = None
        self.version = 0
        self.hits = 0
        self.misses = 0
        self.questions = 0
        """How often the base was asked."""

    def __len__(self) -> int:
        """Numbers remembered."""
        return len(self._entries)

    def known(self, phones: Sequence[str], now_us: int) -> dict[str, Subscriber] | None:
        """The registered ones of these numbers, or None where the base has to be asked for any of them or for its version."""
        with self._lock:
            entries = self._entries
            if not self._is_fresh(now_us) or not all(phone in entries for phone in phones):
                return None
            found: dict[str, Subscriber] = {}
            for phone in phones:
                # Taken out and put back: the order of the dict is the order of use.
                subscriber = entries[phone] = entries.pop(phone)
                if subscriber is not None:
                    found[phone] = subscriber
            self.hits += len(set(phones))
            return found

    def _is_fresh(self, now_us: int) -> bool:
        return self._checked_us is not None and 0 <= now_us - self._checked_us < VERSION_CHECK_US

    async def lookup(self, connection: Connection, phones: Sequence[str], now_us: int) -> dict[str, Subscriber]:
        """As `lookup`, asking the base only for what is not remembered.

        Args:
            connection: as in `lookup`; several look-ups may run at once, each on a connection of its own.
            phones: as in `lookup`.
            now_us: the present instant.
        """
        wanted = list(dict.fromkeys(phones))
        hits: dict[str, Subscriber | None] = {}
        missing: list[str] = []
        with self._lock:
            entries = self._entries
            for phone in wanted:
                if phone in entries:
                    # Taken out and put back: the order of the dict is the order of use.
                    hits[phone] = entries[phone] = entries.pop(phone)
                else:
                    missing.append(phone)
            self.hits += len(hits)
            self.misses += len(missing)
            seen = self.version
        if missing or (hits and not self._is_fresh(now_us)):
            self.questions += 1
            version, found = await _fetch(connection, missing)
            if version != seen and hits:
                # Imported anew since the hits were remembered: none of them counts.
                hits, missing = {}, wanted
                version, found = await _fetch(connection, wanted)
            with self._lock:
                self._remember(version, missing, found, now_us)
        else:
            found = {}
        found.update((phone, subscriber) for phone, subscriber in hits.items() if subscriber is not None)
        return found

    def _remember(self, version: int, asked: list[str], found: dict[str, Subscriber], now_us: int) -> None:
        if version < self.version:
            # Another look-up has seen a later import while this one was under way.
            return
        if version > self.version:
            self._entries.clear()
            self.version = version
        self._checked_us = now_us
        entries = self._entries
        for phone in asked[-self._max_numbers :]:
            if phone not in entries and len(entries) >= self._max_numbers:
                del entries[next(iter(entries))]
            entries[phone] = found.get(phone)
