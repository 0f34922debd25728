"""The outbox: tellings that were committed with their batch, and their deliveries one by one (CITY-5).

Place in the flow: after persist. The writer puts tellings into `outbox`; here they are made into rows of `delivery`, one for
each person and channel, which are claimed, sent by the caller, and settled. What follows what is `core.delivery`'s to say; this
is where it is kept. Rules:
- Every step is one transaction, and says what it expects to find: a try that another process has taken over meanwhile can
  neither hand its message over (`hand`) nor say what became of it (`settle`).
- A try is claimed until its lease ends, or another process becomes the active one. What died before handing over is made
  again; what died afterwards is in doubt.
- Rows are claimed with SKIP LOCKED, the most urgent first; no channel's rows stand before another's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from enum import Enum
from typing import Final

import asyncpg
import msgspec

from core import limits
from core.delivery import DeliveryFault, DeliveryState, after_fault, back_off_us, frees_next, message_id
from core.instant import SECOND_US, Micros
from core.people import Found
from core.telling import Channel, Happened, Telling
from storage.errors import DRIVER_ERRORS, translate
from storage.session import close, connect, cut

BELL: Final = "jedel_outbox"
"""Channel of NOTIFY by which other processes (`jedel outbox`) wake the one that sends."""
_WAITING: Final = "SELECT * FROM outbox WHERE state = 'waiting' ORDER BY priority, at LIMIT $1 FOR UPDATE SKIP LOCKED"
_CLAIM: Final = """
UPDATE delivery d SET state = 'sending', tries = tries + 1, lease_until = $2, handed = false, changed_at = $1
FROM outbox o WHERE o.key = d.key AND d.delivery_id IN (
    SELECT e.delivery_id FROM delivery e JOIN outbox p ON p.key = e.key
    WHERE e.state = 'waiting' AND e.channel = $3 AND e.due_at <= $1 AND p.expires_at > $1
    ORDER BY p.priority, e.due_at LIMIT $4 FOR UPDATE OF e SKIP LOCKED)
RETURNING d.delivery_id, d.person, d.channel, d.rank, d.tries, d.lease_until, o.*
"""
_DEAD: Final = """
SELECT d.delivery_id, d.person, d.channel, d.rank, d.tries, d.lease_until, d.handed, o.*
FROM delivery d JOIN outbox o ON o.key = d.key
WHERE d.state = 'sending' AND (d.lease_until <= $1 OR $2) FOR UPDATE OF d SKIP LOCKED
"""
_NOBODY: Final = """
SELECT DISTINCT recipient, territory, priority FROM outbox WHERE state = 'nobody' AND expires_at > $1 AND at >= $2
"""
_LOOK_AGAIN: Final = """
UPDATE outbox SET state = 'waiting'
WHERE state = 'nobody' AND expires_at > $1 AND at >= $2 AND recipient = $3 AND territory = $4 AND priority = $5
"""
NOBODY_AGE_US: Final = 86_400 * SECOND_US
"""How long ago a telling may have been decided for which somebody is looked for again: it has expired long before, unless a
person has ordered another try."""
_EXPIRE_TELLINGS: Final = "UPDATE outbox SET state = 'expired' WHERE state = 'waiting' AND expires_at <= $1"
_EXPIRE: Final = (
    "UPDATE delivery d SET state = 'expired', changed_at = $1 FROM outbox o"
    " WHERE o.key = d.key AND d.state IN ('held', 'waiting') AND o.expires_at <= $1"
)
# Keys compare by bytes, and after "/" comes "0": what lies between the two is all that stands below.
_CANCEL_TELLINGS: Final = (
    "UPDATE outbox SET state = 'cancelled'"
    " WHERE state = 'waiting' AND at <= $2 AND (key = $1 OR (key >= $1 || '/' AND key < $1 || '0'))"
)
_CANCEL: Final = (
    "UPDATE delivery SET state = 'cancelled', changed_at = $2"
    " WHERE state IN ('held', 'waiting') AND key IN"
    " (SELECT key FROM outbox WHERE at <= $3 AND (key = $1 OR (key >= $1 || '/' AND key < $1 || '0')))"
)
# Which try it is, is said by its number and its lease: the number alone begins anew when a person orders another try.
_ACKNOWLEDGED: Final = (
    "SELECT incident_id, at, body #>> '{terms}' AS terms FROM incident_log WHERE fact = 'acknowledged' AND at >= $1"
)
_WITHDRAWN: Final = (
    "SELECT at, body #>> '{prefix}' AS prefix FROM centre_log WHERE fact = 'telling_withdrawn' AND at >= $1 ORDER BY entry"
)
_HAND: Final = (
    "UPDATE delivery SET handed = true"
    " WHERE delivery_id = $1 AND tries = $2 AND lease_until = $3 AND state = 'sending' RETURNING 1"
)
_SETTLE: Final = (
    "UPDATE delivery SET state = $4, due_at = $5, lease_until = NULL, fault = $6, detail = $7, receipt = $8, changed_at = $9"
    " WHERE delivery_id = $1 AND tries = $2 AND lease_until = $3 AND state = 'sending' RETURNING 1"
)
_FREE_NEXT: Final = (
    "UPDATE delivery SET state = 'waiting', due_at = $4, changed_at = $4"
    " WHERE key = $1 AND person = $2 AND rank = $3 AND state = 'held'"
)
_END_OTHERS: Final = (
    "UPDATE delivery SET state = 'cancelled', changed_at = $3 WHERE key = $1 AND person = $2 AND state IN ('held', 'waiting')"
)
_NEXT: Final = (
    "SELECT least((SELECT min(due_at) FROM delivery WHERE state = 'waiting'),"
    " (SELECT min(lease_until) FROM delivery WHERE state = 'sending'))"
)


_DEPTH: Final = (
    "SELECT o.count + d.count, least(o.oldest, d.oldest)"
    " FROM (SELECT count(*), min(at) AS oldest FROM outbox WHERE state = 'waiting') o,"
    " (SELECT count(*), min(due_at) AS oldest FROM delivery WHERE state = 'waiting') d"
)


class OutboxState(Enum):
    """What has become of a telling as a whole; how each person was told is in its deliveries."""

    WAITING = "waiting"
    """Nobody has been looked for yet."""
    RESOLVED = "resolved"
    """Made into deliveries."""
    NOBODY = "nobody"
    """Nobody could be told; `passed_over` says why. Until it expires somebody is looked for again."""
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    UNREADABLE = "unreadable"
    """Written by a version that knows more than this one."""


class Claimed(msgspec.Struct, frozen=True):
    """One try that is ours until its lease ends."""

    delivery_id: int
    person: str
    channel: Channel
    rank: int
    tries: int
    """With this one."""
    lease_us: int
    telling: Telling

    @property
    def message_id(self) -> str:
        """The same at every try."""
        return message_id(self.telling.key, self.person, self.channel)


class Settled(msgspec.Struct, frozen=True):
    """What a try came to: `fault` None where the channel's server has taken the message."""

    fault: DeliveryFault | None
    detail: str = ""
    receipt: str = ""


def _nothing() -> None:
    return


class Outbox:
    """The outbox on a connection of its own, opened when needed and again when lost. Every method raises `StorageError`.

    Args:
        dsn: the centre's database.
        rung: called on the loop when another process has changed what is to be sent.
    """

    def __init__(self, dsn: str, rung: Callable[[], None] = _nothing) -> None:
        self._dsn = dsn
        self._rung = rung
        self._connection: asyncpg.Connection | None = None
        self._asking = asyncio.Lock()

    async def reclaim(self, now_us: Micros, *, others_are_dead: bool = False) -> int:
        """Takes back tries that have died; returns how many.

        Args:
            now_us: the time.
            others_are_dead: this process has just become the active one: nothing need wait for the lease of a dead one. Should
                that one live after all, `hand` stops what it has not handed over yet, and nobody hears of the rest.
        """
        async with self._transaction() as connection:
            rows = await connection.fetch(_DEAD, now_us, others_are_dead)
            for row in rows:
                fault = DeliveryFault.IN_DOUBT if row["handed"] else DeliveryFault.UNREACHABLE
                settled = Settled(fault, "the process that sent it has died")
                # No server has failed: what was not handed over is due at once.
                await _settle(connection, _claimed_of(row), settled, now_us, pauses=row["handed"])
            return len(rows)

    async def expire(self, now_us: Micros) -> None:
        """Ends what comes too late."""
        async with self._transaction() as connection:
            await connection.execute(_EXPIRE_TELLINGS, now_us)
            await connection.execute(_EXPIRE, now_us)

    async def resolve(self, now_us: Micros, who: Callable[[Telling], Found]) -> list[tuple[Telling, Found]]:
        """Makes waiting tellings into deliveries, the most urgent first; at most `limits.RESOLVE_AT_ONCE`.

        Args:
            now_us: the time.
            who: finds the people; called inside the transaction.

        Returns:
            Each telling with whom it found; nobody where `reached` is empty.
        """
        resolved: list[tuple[Telling, Found]] = []
        async with self._transaction() as connection:
            for row in await connection.fetch(_WAITING, limits.RESOLVE_AT_ONCE):
                telling = telling_of(row)
                if telling is None:
                    state, passed_over = OutboxState.UNREADABLE, b"[]"
                else:
                    found = who(telling)
                    resolved.append((telling, found))
                    state = OutboxState.RESOLVED if found.reached else OutboxState.NOBODY
                    passed_over = msgspec.json.encode(found.passed_over)
                    await connection.executemany(
                        "INSERT INTO delivery (key, person, channel, rank, state, due_at, changed_at)"
                        " VALUES ($1, $2, $3, $4, $5, $6, $6) ON CONFLICT (key, person, channel) DO NOTHING",
                        [(telling.key, *fields, now_us) for fields in _deliveries(found)],
                    )
                await connection.execute(
                    "UPDATE outbox SET state = $2, passed_over = $3 WHERE key = $1", row["key"], state.value, passed_over
                )
        return resolved

    async def look_again(self, now_us: Micros, is_anybody: Callable[[str, str, int], bool]) -> int:
        """Has tellings for which nobody was found looked at again where there is somebody now; returns how many.

        Each is looked at until it expires. What is asked is asked once for all that share it, however many they are.

        Args:
            now_us: the time.
            is_anybody: whether somebody can be told now: recipient, territory and priority.
        """
        since_us = now_us - NOBODY_AGE_US
        again = 0
        async with self._transaction() as connection:
            for row in await connection.fetch(_NOBODY, now_us, since_us):
                if is_anybody(*row):
                    done = await connection.execute(_LOOK_AGAIN, now_us, since_us, *row)
                    again += int(done.rpartition(" ")[2])
        return again

    async def claim(self, now_us: Micros, room: Mapping[Channel, int]) -> list[Claimed]:
        """Tries that are due, theirs who asks until the lease ends.

        Args:
            now_us: the time.
            room: most tries of each channel.
        """
        claimed: list[Claimed] = []
        async with self._transaction() as connection:
            for channel, most in room.items():
                if most > 0:
                    lease_us = now_us + limits.SEND_LEASE_US
                    rows = await connection.fetch(_CLAIM, now_us, lease_us, channel.value, most)
                    claimed += [_claimed_of(row) for row in rows]
        return claimed

    async def hand(self, claimed: Claimed) -> bool:
        """Records that a try now hands its message over. False where the try is no longer ours: then it must not."""
        async with self._transaction() as connection:
            return bool(await connection.fetchval(_HAND, claimed.delivery_id, claimed.tries, claimed.lease_us))

    async def settle(self, claimed: Claimed, settled: Settled, now_us: Micros) -> DeliveryState | None:
        """Records what a try came to, and what follows for the person's other channels. None where it was no longer ours."""
        async with self._transaction() as connection:
            return await _settle(connection, claimed, settled, now_us)

    async def cancel(self, prefix: str, now_us: Micros, until_us: Micros | None = None) -> int:
        """Ends what is not sent yet of a key and all below it: `incident/17/accept` when that was acknowledged.

        A prefix is whole steps: `incident/1` is not `incident/17`. What was decided after `until_us`, or else after now, is
        told all the same: it passed anew. Returns how many tellings and deliveries it ended.
        """
        async with self._transaction() as connection:
            return await cancel(connection, prefix, now_us, until_us)

    async def cancel_acknowledged(self, since_us: Micros, now_us: Micros) -> int:
        """As `cancel`, of what was acknowledged or withdrawn since an instant: a process that died may not have come to it."""
        async with self._transaction() as connection:
            ended = 0
            for incident_id, at_us, terms in await connection.fetch(_ACKNOWLEDGED, since_us):
                for term in msgspec.json.decode(terms, type=list[str]):
                    ended += await cancel(connection, f"incident/{incident_id}/{term}", now_us, at_us)
            for at_us, prefix in await connection.fetch(_WITHDRAWN, since_us):
                ended += await cancel(connection, prefix, now_us, at_us)
            return ended

    async def next_due_us(self) -> int | None:
        """When something is to be done next, or None."""
        async with self._transaction() as connection:
            due_us: int | None = await connection.fetchval(_NEXT)
            return due_us

    async def depth(self) -> tuple[int, int | None]:
        """How many tellings and deliveries wait, and when the oldest of them was or is due, or None."""
        async with self._transaction() as connection:
            row = await connection.fetchrow(_DEPTH)
            assert row is not None
            return row[0], row[1]

    async def close(self) -> None:
        """Closes the connection; the outbox may be used again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await close(connection)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[asyncpg.Connection]:
        """The connection, for one transaction at a time, with asyncpg's errors translated.

        Whatever ends it early, cancellation too, cuts the connection: the server rolls back, and if it hangs, nobody waits.
        """
        async with self._asking:
            try:
                if self._connection is None or self._connection.is_closed():
                    self._connection = await connect(self._dsn, "outbox")
                    await self._connection.add_listener(BELL, lambda *_: self._rung())
                transaction = self._connection.transaction()
                await transaction.start()
                yield self._connection
                await transaction.commit()
            except BaseException as error:
                connection, self._connection = self._connection, None
                if connection is not None:
                    cut(connection)
                if isinstance(error, DRIVER_ERRORS):
                    raise translate(error) from error
                raise


def telling_of(row: asyncpg.Record) -> Telling | None:
    """A row of `outbox`, or None where it was written by a version that knows more."""
    try:
        template = Happened(row["template"])
    except ValueError:
        return None
    return Telling(
        key=row["key"],
        to=row["recipient"],
        territory=row["territory"],
        incident_id=row["incident_id"],
        template=template,
        values=msgspec.json.decode(row["values"], type=dict[str, str]),
        at_us=row["at"],
        expires_us=row["expires_at"],
        priority=row["priority"],
    )


def _claimed_of(row: asyncpg.Record) -> Claimed:
    telling = telling_of(row)
    assert telling is not None  # or it would not have been made into deliveries
    return Claimed(
        delivery_id=row["delivery_id"],
        person=row["person"],
        channel=Channel(row["channel"]),
        rank=row["rank"],
        tries=row["tries"],
        lease_us=row["lease_until"],
        telling=telling,
    )


def _deliveries(found: Found) -> list[tuple[str, str, int, str]]:
    """Person, channel, rank and first state of each: dispatch is told already, of the others the first is sent."""
    rows: list[tuple[str, str, int, str]] = []
    ranks: dict[str, int] = {}
    for person, way in found.reached:
        if way.channel is Channel.DISPATCH:
            rows.append((person.person_id, way.channel.value, 0, DeliveryState.SENT.value))
            continue
        rank = ranks.get(person.person_id, 0)
        ranks[person.person_id] = rank + 1
        state = DeliveryState.HELD if rank else DeliveryState.WAITING
        rows.append((person.person_id, way.channel.value, rank, state.value))
    return rows


async def _settle(
    connection: asyncpg.Connection, claimed: Claimed, settled: Settled, now_us: Micros, *, pauses: bool = True
) -> DeliveryState | None:
    telling, tries = claimed.telling, claimed.tries
    if settled.fault is None:
        state = DeliveryState.SENT
    else:
        state = after_fault(settled.fault, claimed.channel, telling.priority, tries)
    due_us = now_us + (back_off_us(tries, claimed.message_id) if pauses else 0)
    fault = settled.fault.value if settled.fault is not None else ""
    detail = settled.detail.replace("\0", "")[: limits.VALUE_MAX_CHARS]
    receipt = settled.receipt.replace("\0", "")[: limits.VALUE_MAX_CHARS]
    ours = await connection.fetchval(
        _SETTLE, claimed.delivery_id, tries, claimed.lease_us, state.value, due_us, fault, detail, receipt, now_us
    )
    if not ours:
        return None
    if state is DeliveryState.SENT:
        await connection.execute(_END_OTHERS, telling.key, claimed.person, now_us)
    elif frees_next(state, tries):
        await connection.execute(_FREE_NEXT, telling.key, claimed.person, claimed.rank + 1, now_us)
    return state


async def cancel(connection: asyncpg.Connection, prefix: str, now_us: Micros, until_us: Micros | None = None) -> int:
    """As `Outbox.cancel`, on a connection that is there."""
    whole = prefix.rstrip("/")
    until_us = now_us if until_us is None else until_us
    tellings = await connection.execute(_CANCEL_TELLINGS, whole, until_us)
    deliveries = await connection.execute(_CANCEL, whole, now_us, until_us)
    return sum(int(done.rpartition(" ")[2]) for done in (tellings, deliveries))
