"""`jedel doctor`: is everything right that a centre rests on, and what to do where it is not. Changes nothing."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ops.commands.configured import AS_GIVEN, Configured
from ops.layers import FILE_VARIABLE, ConfigError


def doctor(
    *,
    json: Annotated[bool, Parameter(negative=(), help="print one JSON object")] = False,
    strict: Annotated[bool, Parameter(negative=(), help="status 1 for warnings too")] = False,
    channels: Annotated[
        bool, Parameter(negative=(), help="also log in to mail server and SMSC, and connect to webhooks")
    ] = False,
    configured: Configured = AS_GIVEN,
) -> int:
    """Looks at configuration, database, machine and duty, says what is wrong and what to do; status 1 for a fault."""
    from ops.doctor import report
    from ops.doctor.examination import Finding, examine
    from ops.doctor.verdict import Grade
    from ops.doctor.world import World
    from storage import embedded

    try:
        effective = configured.load()
    except ConfigError as error:
        remedy = "correct it; jedel config show prints every key with its default"
        findings = [Finding("configuration", Grade.FAULT, line, remedy) for line in error.lines]
    else:
        database = effective.config.database
        dsn = database.dsn or embedded.find(Path(database.data_dir)) or ""
        named = configured.config or (Path(os.environ[FILE_VARIABLE]) if os.environ.get(FILE_VARIABLE) else None)
        findings = asyncio.run(examine(World(effective, dsn, named, channels)))
    if json:
        print(report.as_json(findings))
    elif sys.stdout.isatty():
        from rich.console import Console

        Console().print(report.as_table(findings))
    else:
        print("\n".join(report.as_lines(findings)))
    return report.status(findings, strict=strict)
