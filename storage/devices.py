"""The devices' register: where each camera, panel, button and sensor stands; imported from CSV, loaded whole at start.

Place in the flow: event → identify → **locate**, as the device's own place (OCC-1). Tens of thousands of rows, so the centre
keeps them all in memory, and an import is one transaction over the table itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

from core.recovered import Device
from storage.register_file import FieldError, RegisterFile, Rejections, degrees_field, text_field
from storage.register_import import ImportMode, ImportReport, one_import, raise_version, storage_errors

if TYPE_CHECKING:
    from storage.register_import import Connection

COLUMNS: Final = ("device_id", "kind", "latitude_deg", "longitude_deg", "address")
REQUIRED: Final = ("device_id", "latitude_deg", "longitude_deg")
KINDS: Final = frozenset({"", "camera", "panel", "button", "sensor"})
DEVICE_ID_MAX_CHARS: Final = 64
"""As an event's `camera` or `device` may have (`core.events.Key`)."""


async def import_devices(
    connection: Connection,
    path: Path,
    *,
    mode: ImportMode = ImportMode.REPLACE,
    headers: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
    delimiter: str = ",",
    errors_to: TextIO | None = None,
) -> ImportReport:
    """Imports a devices file; of several lines for one device the last one counts. A running centre sees it at its next start.

    Args:
        connection: where the register is.
        path: delimited text with a header line; `COLUMNS` names the columns, of which `REQUIRED` must be there.
        mode: whether devices that the file does not mention go or stay.
        headers: our column → the file's header, where they differ.
        encoding: for example `utf-8` or `cp1251`.
        delimiter: one character.
        errors_to: gets every refused line as CSV: line, column, reason, value.

    Raises:
        RegisterFileError: the file as a whole cannot be read; the register is as it was.
        ImportRunning: another import of the register is running.
        StorageError: storage failed; the register is as it was.
    """
    file = RegisterFile(path, COLUMNS, REQUIRED, headers=headers, encoding=encoding, delimiter=delimiter)
    rejections = Rejections(errors_to)
    rows: dict[str, tuple[str, str, float, float, str]] = {}
    accepted = 0
    for block in file.rows(_row, rejections):
        accepted += len(block)
        rows.update((row[0], row) for row in block)
    with storage_errors():
        async with one_import(connection, "device"), connection.transaction():
            if mode is ImportMode.REPLACE:
                await connection.execute("DELETE FROM device")
            else:
                await connection.execute("DELETE FROM device WHERE device_id = ANY($1::text[])", list(rows))
            await connection.copy_records_to_table("device", records=rows.values(), columns=COLUMNS)
            row_count: int = await connection.fetchval("SELECT count(*) FROM device")
            version = await raise_version(connection, "device", row_count)
    return ImportReport(
        line_count=file.line_count,
        accepted=accepted,
        rejected=rejections.count,
        duplicates=accepted - len(rows),
        row_count=row_count,
        version=version,
        errors=tuple(rejections.kept),
    )


def _row(_line_no: int, fields: list[str]) -> tuple[str, str, float, float, str]:
    device_id, kind, latitude, longitude, address = fields
    if not 1 <= len(device_id) <= DEVICE_ID_MAX_CHARS:
        raise FieldError("device_id", f"must have 1 to {DEVICE_ID_MAX_CHARS} characters", device_id)
    kind = kind.casefold()
    if kind not in KINDS:
        raise FieldError("kind", f"must be one of {', '.join(sorted(KINDS - {''}))}, or empty", kind)
    return (
        device_id,
        kind,
        degrees_field("latitude_deg", latitude, 90.0),
        degrees_field("longitude_deg", longitude, 180.0),
        text_field("address", address),
    )


async def load_devices(connection: Connection) -> list[Device]:
    """All devices, in order of id. Raises `StorageError` when storage failed."""
    with storage_errors():
        rows = await connection.fetch("SELECT device_id, latitude_deg, longitude_deg, address FROM device ORDER BY device_id")
    return [Device(device_id, latitude_deg, longitude_deg, address) for device_id, latitude_deg, longitude_deg, address in rows]
