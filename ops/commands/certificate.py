"""`jedel certificate`: the certificate of how an incident was worked (OCC-6), from what is committed."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from cyclopts.types import PositiveInt

from ops.commands.configured import AS_GIVEN, Configured, connected

if TYPE_CHECKING:
    from core.decisions import LogEntry


def certificate(
    incident: Annotated[PositiveInt, Parameter(help="number of an incident, open or closed")],
    /,
    *,
    language: Annotated[Literal["kk", "ru", "en"], Parameter(help="of HTML and PDF; JSON is for machines")] = "kk",
    form: Annotated[Literal["html", "pdf", "json"], Parameter(name="--format", help="what is written")] = "html",
    out: Annotated[Path | None, Parameter(help="a file; without one it goes to standard output")] = None,
    utc_offset_h: Annotated[float, Parameter(help="hours that the centre's local time is ahead of UTC")] = 5.0,
    check: Annotated[
        str, Parameter(help="a certificate's SHA-256: says whether the log is still the one it was made from")
    ] = "",
    configured: Configured = AS_GIVEN,
) -> int:
    """Writes the certificate of an incident: who called, who decided, which crew when, every term kept or missed, the result.

    Status 1 when the incident is not known, its log is damaged, or is not the one that `--check` names.
    """
    from msgspec import ValidationError

    from core.category import load_categories
    from core.course import course_of
    from core.incident import IllegalMoveError
    from storage.incident_log import read_log

    config = configured.read()

    async def run() -> list[LogEntry]:
        async with connected(config.database) as connection:
            return await read_log(connection, incident)

    log = asyncio.run(run())
    if not log:
        print(f"jedel: incident {incident} is not known", file=sys.stderr)
        return 1
    try:
        course = course_of(log)
    except (IllegalMoveError, ValidationError) as error:
        print(f"jedel: incident {incident} cannot be certified, its log is damaged (jedel verify): {error}", file=sys.stderr)
        return 1
    if check:
        same = check.lower() == course.sha256
        print(f"certificate: incident {incident}: the log is {'the one certified' if same else 'another one'}: {course.sha256}")
        return 0 if same else 1
    if form == "json":
        from msgspec import json

        drawn = json.format(json.encode(course))
    else:
        from adapters.certificate.document import Writer

        categories = load_categories(Path(config.centre.categories) if config.centre.categories else None)
        writer = Writer(language, categories, config.centre.name, timedelta(hours=utc_offset_h))
        if form == "pdf":
            from adapters.certificate.pdf import draw_pdf

            drawn = draw_pdf(writer.document(course))
        else:
            from adapters.certificate.html import draw_html

            drawn = draw_html(writer.document(course))
    if out is None:
        sys.stdout.buffer.write(drawn)
    else:
        out.write_bytes(drawn)
        print(f"certificate: {out}, {course.sha256}")
    return 0
