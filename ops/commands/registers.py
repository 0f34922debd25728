"""`jedel subscribers`, `jedel devices`: what the centre looks up, brought in from files (OCC-1).

Every import works beside a running service. A bar shows the progress on a terminal; the last line says what came of it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TextIO

from cyclopts import App, Parameter

from ops.commands.configured import AS_GIVEN, Configured, connected
from ops.commands.progress import bar

if TYPE_CHECKING:
    from storage.register_import import ImportReport

subscribers = App(name="subscribers", help="The telephone exchanges' subscriber base.")
devices = App(name="devices", help="Where cameras, panels, buttons and sensors stand.")

TextFile = Annotated[Path, Parameter(help="delimited text with a header line")]
Mode = Annotated[
    Literal["replace", "merge"], Parameter(help="what becomes of rows the file does not mention: they go, or stay")
]
Columns = Annotated[
    tuple[str, ...],
    Parameter(
        name="--column", negative=(), show_default=False, help="COLUMN=HEADER where the file's header differs; may be repeated"
    ),
]
Encoding = Annotated[str, Parameter(help="of the file, for example utf-8 or cp1251")]
Delimiter = Annotated[str, Parameter(help="between fields, one character")]
Errors = Annotated[Path | None, Parameter(name="--errors", help="file that gets every refused line, as CSV")]


@subscribers.command(name="import")
def import_subscribers(
    file: TextFile,
    /,
    *,
    configured: Configured = AS_GIVEN,
    mode: Mode = "replace",
    column: Columns = (),
    encoding: Encoding = "utf-8",
    delimiter: Delimiter = ",",
    errors: Errors = None,
) -> None:
    """Imports subscribers: a header line, then phone, and where known name, line, address, latitude_deg, longitude_deg."""
    from storage.register_import import ImportMode
    from storage.subscribers import import_subscribers as import_file

    config = configured.read()

    async def run() -> ImportReport:
        with _refusals(errors) as sink, bar(f"subscribers from {file.name}") as tell:
            async with connected(config.database) as connection:
                return await import_file(
                    connection,
                    file,
                    mode=ImportMode(mode),
                    headers=_headers(column),
                    encoding=encoding,
                    delimiter=delimiter,
                    region=config.centre.region,
                    errors_to=sink,
                    progress=lambda read, total: tell(read / total if total else 1.0),
                )

    _report("subscribers", asyncio.run(run()))


@devices.command(name="import")
def import_devices(
    file: TextFile,
    /,
    *,
    configured: Configured = AS_GIVEN,
    mode: Mode = "replace",
    column: Columns = (),
    encoding: Encoding = "utf-8",
    delimiter: Delimiter = ",",
    errors: Errors = None,
) -> None:
    """Imports devices: a header line, then device_id, latitude_deg, longitude_deg, and where known kind and address."""
    from storage.devices import import_devices as import_file
    from storage.register_import import ImportMode

    config = configured.read()

    async def run() -> ImportReport:
        with _refusals(errors) as sink:
            async with connected(config.database) as connection:
                return await import_file(
                    connection,
                    file,
                    mode=ImportMode(mode),
                    headers=_headers(column),
                    encoding=encoding,
                    delimiter=delimiter,
                    errors_to=sink,
                )

    _report("devices", asyncio.run(run()))
    print("a running service knows them from its next start on")


def _headers(pairs: tuple[str, ...]) -> dict[str, str]:
    return {column: header for column, _, header in (pair.partition("=") for pair in pairs)}


def _report(register: str, report: ImportReport) -> None:
    print(
        f"{register}: {report.row_count} in the register; {report.line_count} lines read, {report.accepted} accepted, "
        f"{report.duplicates} replaced by a later line, {report.rejected} refused"
    )
    for error in report.errors[:5]:
        print(f"line {error.line_no}: {error.column + ': ' if error.column else ''}{error.reason}", file=sys.stderr)
    if report.rejected > 5:
        print(f"… and {report.rejected - 5} more refused lines (--errors FILE lists all)", file=sys.stderr)


@contextmanager
def _refusals(path: Path | None) -> Iterator[TextIO | None]:
    if path is None:
        yield None
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            yield file
