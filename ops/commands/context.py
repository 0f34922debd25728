"""`jedel context`: what was before an incident, from what is committed (CITY-10, CITY-11)."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.types import PositiveInt

from ops.clock import now_us
from ops.commands.configured import AS_GIVEN, Configured, connected

if TYPE_CHECKING:
    import asyncpg

    from core.context import Context
    from ops.config import Config


def context(
    incident: Annotated[PositiveInt, Parameter(help="number of an incident, open or closed")],
    /,
    *,
    territory: Annotated[str, Parameter(help="only earlier incidents of this territory and below, for example kz/almaty")] = "",
    json: Annotated[bool, Parameter(negative=(), help="the context as dispatch clients get it")] = False,
    configured: Configured = AS_GIVEN,
) -> int:
    """Shows what was before an incident: at its address, from its numbers, near it, on its road, and false calls.

    Status 1 when the incident is not known, or was merged into another one.
    """
    import msgspec

    from ops.context_view import lines

    config = configured.read()

    async def run() -> Context | None:
        async with connected(config.database) as connection:
            return await _find(connection, config, incident, territory)

    found = asyncio.run(run())
    if found is None:
        print(f"jedel: incident {incident} is not known, or was merged into another one", file=sys.stderr)
        return 1
    if json:
        print(msgspec.json.encode(found).decode())
    else:
        for line in lines(found):
            print(line)
    return 0


async def _find(connection: asyncpg.Connection, config: Config, incident: int, territory: str) -> Context | None:
    from core.context import context_of
    from ops.addresses import AddressReader
    from ops.maps import load_map_data
    from ops.rules import context_scope
    from routing.gazetteer import MapGazetteer
    from routing.unmapped import Unmapped
    from storage import past
    from storage.context import read_past, read_subject

    subject = await read_subject(connection, incident)
    opened = {} if subject is not None else await past.opened_at(connection, [incident])
    if opened:
        # No service has come to it yet.
        map_data = await load_map_data(connection)
        await past.fill(connection, opened, AddressReader(Unmapped() if map_data is None else MapGazetteer(map_data)))
        subject = await read_subject(connection, incident)
    if subject is None:
        return None
    scope = context_scope(config)
    through_us = await past.through(connection)
    return context_of(await read_past(connection, subject, scope, territory, now_us=now_us(), through_us=through_us), scope)
