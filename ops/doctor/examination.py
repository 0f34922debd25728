"""All checks in their order, and how they are made: each by itself, with a time limit, and none the end of the others.

Place in the flow: behind `jedel doctor`. Rules: a check that crashes or takes too long is a fault of that check; what needs the
database is not tried where it does not answer, for each would wait for it in turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from ops.doctor import certificate, channels, clock, database, disk, duty, imported, machine, policy, running, settings, tracing
from ops.doctor.verdict import Grade, Verdict, fault, warning
from ops.doctor.world import World
from storage.errors import DRIVER_ERRORS, StorageError, translate

TIMEOUT_S: Final = 20.0
"""Of one check: twice as long as a connection to the database may take to be made."""


class Check(msgspec.Struct, frozen=True):
    """One check."""

    name: str
    """As the report has it."""
    look: Callable[[World], Awaitable[list[Verdict]]]
    needs_database: bool = False


class Finding(msgspec.Struct, frozen=True):
    """A verdict with the name of its check."""

    check: str
    grade: Grade
    text: str
    remedy: str


DATABASE: Final = Check("database", database.check_reachable)
CHECKS: Final[tuple[Check, ...]] = (
    Check("configuration", settings.check),
    DATABASE,
    Check("schema", database.check_schema, needs_database=True),
    Check("clock", clock.check_difference, needs_database=True),
    Check("clock", clock.check_synchronised),
    Check("machine", machine.check),
    Check("disk", disk.check_local),
    Check("disk", disk.check_growth, needs_database=True),
    Check("certificate", certificate.check),
    Check("ports", running.check_ports),
    Check("service", running.check_service),
    Check("lock", running.check_lock, needs_database=True),
    Check("map", imported.check_map, needs_database=True),
    Check("registers", imported.check_registers, needs_database=True),
    Check("scenarios", policy.check),
    Check("people", duty.check_people),
    Check("roster", duty.check_roster, needs_database=True),
    Check("patrols", duty.check_patrols, needs_database=True),
    Check("channels", channels.check),
    Check("traces", tracing.check),
)
"""In the order of the report: what the others rest on goes first."""


async def examine(world: World, checks: Sequence[Check] = CHECKS, timeout_s: float = TIMEOUT_S) -> list[Finding]:
    """Makes the checks one after another. Never raises for what a check does."""
    findings: list[Finding] = []
    has_database = bool(world.dsn)
    for check in checks:
        if check.needs_database and not has_database:
            continue
        verdicts = await _made(check, world, timeout_s)
        findings += [Finding(check.name, one.grade, one.text, one.remedy) for one in verdicts]
        if check is DATABASE and has_database and verdicts[0].grade is Grade.FAULT:
            has_database = False
            skipped = ", ".join(dict.fromkeys(each.name for each in checks if each.needs_database))
            lost = warning(f"not looked at without it: {skipped}", "first let the database answer")
            findings.append(Finding(check.name, lost.grade, lost.text, lost.remedy))
    return findings


async def _made(check: Check, world: World, timeout_s: float) -> list[Verdict]:
    limit = asyncio.timeout(timeout_s)
    try:
        async with limit:
            return await check.look(world)
    except TimeoutError as error:
        if not limit.expired():
            return [fault(f"the check itself failed: {translate(error)}", "try again; is the database overloaded?")]
        return [fault(f"no result within {timeout_s:g} s", "whatever it looks at hangs: a disk, a name server, a database")]
    except (StorageError, *DRIVER_ERRORS) as error:
        return [fault(f"the check itself failed: {translate(error)}", "try again; what is it that does not answer?")]
    except Exception as error:
        return [fault(f"the check itself crashed: {type(error).__name__}: {error}", "please report it, with jedel --version")]
