"""The outbox on a real PostgreSQL: each step once, tries that die, channels that follow each other, and who comes too late."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from core import limits
from core.delivery import DeliveryFault, DeliveryState
from core.instant import SECOND_US, Micros
from core.people import Found, PassedOver, PassedReason, Person, Way
from core.telling import Channel, Role, Telling
from storage.outbox import Claimed, Outbox, Settled
from storage.outbox_view import retry
from storage.session import connect
from storage.writer import Writer
from tests.storage import samples

NOW = samples.NOW
SMS = Way(Channel.SMS, "+77010000001")
MAIL = Way(Channel.MAIL, "aida@example.kz")
WEBHOOK = Way(Channel.WEBHOOK, "http://127.0.0.1/")
DISPATCH = Way(Channel.DISPATCH, "")
ROOM = {Channel.SMS: 16, Channel.MAIL: 16, Channel.WEBHOOK: 16}
NOBODY = Found((), (PassedOver("", "kz", PassedReason.NOT_KNOWN),))
SENT = Settled(None, receipt="r-1")
BUSY = Settled(DeliveryFault.SERVER_BUSY, "503")


def later(seconds: float) -> Micros:
    return Micros(NOW + round(seconds * SECOND_US))


def person(person_id: str, *ways: Way) -> Person:
    return Person(person_id, person_id, frozenset({Role.SHIFT_LEAD}), frozenset({""}), ("kk",), ways, ZoneInfo("UTC"))


def by(*people: Person) -> Callable[[Telling], Found]:
    """Everybody, whoever is asked for."""
    found = Found(tuple((each, way) for each in people for way in each.ways), ())
    return lambda _: found


AIDA = person("aida", SMS, MAIL)
Body = Callable[[Outbox, asyncpg.Connection], Awaitable[None]]


def run(database: str, body: Body, *tellings: Telling) -> None:
    async def main() -> None:
        connection = await connect(database, "test")
        writer = Writer(database, 0)
        outbox = Outbox(database)
        try:
            await writer.commit(samples.batch(1, tellings=list(tellings or (samples.telling(),))))
            await body(outbox, connection)
        finally:
            await outbox.close()
            await writer.close()
            await connection.close()

    asyncio.run(main())


async def states(connection: asyncpg.Connection) -> list[tuple[str, str, str]]:
    rows = await connection.fetch("SELECT person, channel, state FROM delivery ORDER BY person, rank, channel")
    return [tuple(row) for row in rows]


async def one_claimed(outbox: Outbox, now_us: Micros = NOW) -> Claimed:
    (claimed,) = await outbox.claim(now_us, ROOM)
    return claimed


def test_resolve_makes_a_delivery_for_each_way_and_sends_only_the_first(database: str) -> None:
    async def body(outbox: Outbox, connection: asyncpg.Connection) -> None:
        everybody = by(person("aida", DISPATCH, SMS, MAIL), person("bota", MAIL))
        ((telling, _),) = await outbox.resolve(NOW, everybody)
        assert telling == samples.telling()
        assert await outbox.resolve(NOW, everybody) == []
        assert await states(connection) == [
            ("aida", "dispatch", "sent"),
            ("aida", "sms", "waiting"),
            ("aida", "mail", "held"),
            ("bota", "mail", "waiting"),
        ]
        assert {one.channel for one in await outbox.claim(NOW, ROOM)} == {Channel.SMS, Channel.MAIL}
        assert await outbox.claim(NOW, ROOM) == []

    run(database, body)


def test_resolve_records_who_was_passed_over_when_nobody_is_found(database: str) -> None:
    async def body(outbox: Outbox, connection: asyncpg.Connection) -> None:
        await outbox.resolve(NOW, lambda _: NOBODY)
        row = await connection.fetchrow("SELECT state, passed_over FROM outbox")
        assert row is not None
        assert tuple(row) == ("nobody", b'[{"person":"","territory":"kz","reason":"not_known"}]')
        assert await states(connection) == []

    run(database, body)


def test_resolve_passes_over_a_telling_of_a_newer_version(database: str) -> None:
    async def body(outbox: Outbox, connection: asyncpg.Connection) -> None:
        await connection.execute("UPDATE outbox SET template = 'not_yet_thought_of' WHERE key = 'a'")
        assert [telling.key for telling, _ in await outbox.resolve(NOW, by(AIDA))] == ["b"]
        assert await connection.fetchval("SELECT state FROM outbox WHERE key = 'a'") == "unreadable"

    run(database, body, samples.telling("a"), samples.telling("b"))


def test_depth_counts_what_waits_and_since_when_it_is_due(database: str) -> None:
    async def body(outbox: Outbox, connection: asyncpg.Connection) -> None:
        count, oldest_us = await outbox.depth()
        assert (count, oldest_us) == (1, samples.telling().at_us)
        await outbox.resolve(later(1), by(AIDA, person("bota", MAIL)))
        assert await outbox.depth() == (2, later(1))
        for claimed in await outbox.claim(later(1), ROOM):
            await outbox.hand(claimed)
            await outbox.settle(claimed, SENT, later(2))
        assert await outbox.depth() == (0, None)

    run(database, body)


def test_claim_takes_the_most_urgent_first_and_no_more_than_there_is_room(database: str) -> None:
    async def body(outbox: Outbox, _: asyncpg.Connection) -> None:
        await outbox.resolve(NOW, by(AIDA))
        first = await outbox.claim(NOW, {Channel.SMS: 2, Channel.MAIL: 0})
        assert sorted(one.telling.key for one in first) == ["p1", "p2"]
        assert [one.telling.key for one in await outbox.claim(NOW, ROOM)] == ["p3"]

    run(database, body, *(samples.telling(f"p{priority}", priority=priority) for priority in (3, 1, 2)))


def test_settle_ends_the_person_s_other_channels_when_one_has_told(database: str) -> None:
    async def body(outbox: Outbox, connection: asyncpg.Connection) -> None:
        await outbox.resolve(NOW, by(AIDA))
        assert await outbox.settle(await one_claimed(outbox), SENT, NOW) is DeliveryState.SENT
        assert await states(connection) == [("aida", "sms", "sent"), ("aida", "mail", "cancelled")]
        assert await connection.fetchval("SELECT receipt FROM delivery WHERE channel = 'sms'") == "r-1"

    run(database, body)


def test_settle_frees_the_next_channel_when_the_first_has_failed_for_good(database: str) -> None:
    async def body(outbox: Outbox, connection: asyncpg.Connection) -> None:
        await outbox.resolve(NOW, by(person("aida", SMS, MAIL, WEBHOOK)))
        refused = Settled(DeliveryFault.ADDRESS_REFUSED, "0x0B")
        assert await outbox.settle(await one_claimed(outbox), refused, NOW) is DeliveryState.FAILED
        assert await states(connection) == [("aida", "sms", "failed"), ("aida", "mail", "waiting"), ("aida", "webhook", "held")]
        assert (await one_claimed(outbox)).channel is Channel.MAIL

    run(database, body)


def test_settle_tries_again_after_a_growing_pause_and_then_the_next_channel_as_well(database: str) -> None:
    async def body(outbox: Outbox, connection: asyncpg.Connection) -> None:
        await outbox.resolve(NOW, by(AIDA))
        now_us = NOW
        for number in range(1, limits.TRIES_BEFORE_NEXT + 1):
            assert {state for _, channel, state in await states(connection) if channel == "mail"} == {"held"}
            claimed = await one_claimed(outbox, now_us)
            assert (claimed.channel, claimed.tries) == (Channel.SMS, number)
            assert await outbox.settle(claimed, BUSY, now_us) is DeliveryState.WAITING
            due_us = await connection.fetchval("SELECT due_at FROM delivery WHERE channel = 'sms'")
            pause_us = due_us - now_us
            assert limits.BACK_OFF_FIRST_US << (number - 1) >= pause_us >= (limits.BACK_OFF_FIRST_US << (number - 1)) // 2
            assert Channel.SMS not in {one.channel for one in await outbox.claim(Micros(due_us - 1), {Channel.SMS: 1})}
            now_us = Micros(due_us)
        assert await outbox.next_due_us() == due_us - pause_us  # the mail is due since the second failure
        assert {one.channel for one in await outbox.claim(now_us, ROOM)} == {Channel.SMS, Channel.MAIL}

    run(database, body)


def test_try_that_died_before_handing_over_is_made_again_at_once_by_who_takes_over(database: str) -> None:
    async def body(outbox: Outbox, _: asyncpg.Connection) -> None:
        await outbox.resolve(NOW, by(person("aida", SMS)))
        dead = await one_claimed(outbox)
        assert await outbox.reclaim(NOW) == 0
        assert await outbox.reclaim(NOW, others_are_dead=True) == 1
        again = await one_claimed(outbox)
        assert again.tries == 2 and again.message_id == dead.message_id
        # Should the dead one live after all, it neither sends nor says anything.
        assert not await outbox.hand(dead)
        assert await outbox.settle(dead, SENT, NOW) is None
        assert await outbox.hand(again)

    run(database, body)


@pytest.mark.parametrize(
    ("way", "priority", "state"),
    [
        (WEBHOOK, 9, DeliveryState.WAITING),
        (MAIL, 9, DeliveryState.WAITING),
        (SMS, limits.SMS_TWICE_PRIORITY, DeliveryState.WAITING),
        (SMS, limits.SMS_TWICE_PRIORITY + 1, DeliveryState.UNKNOWN),
    ],
)
@pytest.mark.parametrize("taken_over", [False, True])
def test_try_that_died_after_handing_over_is_in_doubt_when_its_lease_ends_or_another_process_takes_over(
    database: str, way: Way, priority: int, state: DeliveryState, taken_over: bool
) -> None:
    async def body(outbox: Outbox, connection: asyncpg.Connection) -> None:
        await outbox.resolve(NOW, by(person("aida", way, DISPATCH)))
        assert await outbox.hand(await one_claimed(outbox))
        if taken_over:
            assert await outbox.reclaim(NOW, others_are_dead=True) == 1
        else:
            assert await outbox.next_due_us() == NOW + limits.SEND_LEASE_US
            assert await outbox.reclaim(Micros(NOW + limits.SEND_LEASE_US - 1)) == 0
            assert await outbox.reclaim(Micros(NOW + limits.SEND_LEASE_US)) == 1
        row = await connection.fetchrow("SELECT state, fault, handed FROM delivery WHERE channel <> 'dispatch'")
        assert row is not None and tuple(row) == (state.value, "in_doubt", True)

    run(database, body, samples.telling(priority=priority))


def test_expire_ends_what_comes_too_late_and_nothing_else(database: str) -> None:
    async def body(outbox: Outbox, connection: asyncpg.Connection) -> None:
        await outbox.resolve(NOW, lambda telling: by(AIDA)(telling) if telling.key != "late" else NOBODY)
        await connection.execute("UPDATE outbox SET state = 'waiting' WHERE key = 'late'")
        assert await outbox.claim(later(60), ROOM) != []
        await outbox.expire(later(60))
        rows = await connection.fetch("SELECT key, channel, state FROM delivery ORDER BY key, rank")
        assert [tuple(row) for row in rows] == [
            ("long", "sms", "sending"),
            ("long", "mail", "held"),
            ("short", "sms", "expired"),
            ("short", "mail", "expired"),
        ]
        assert await connection.fetchval("SELECT state FROM outbox WHERE key = 'late'") == "expired"

    run(
        database, body, *(samples.telling(key, lives_s=lives_s) for key, lives_s in (("long", 61), ("short", 60), ("late", 60)))
    )


def test_cancel_ends_a_key_and_all_below_it_and_no_other(database: str) -> None:
    async def body(outbox: Outbox, connection: asyncpg.Connection) -> None:
        await outbox.resolve(NOW, by(AIDA))
        await connection.execute("UPDATE outbox SET state = 'waiting' WHERE key IN ('incident/1/crew', 'incident/10')")
        await outbox.settle(next(one for one in await outbox.claim(NOW, ROOM) if one.telling.key == "incident/1"), SENT, NOW)
        assert await outbox.cancel("incident/1/", NOW) > 0
        ended = await connection.fetch("SELECT DISTINCT key FROM delivery WHERE state = 'cancelled' AND channel = 'mail'")
        assert sorted(row["key"] for row in ended) == ["incident/1", "incident/1/accept/2", "incident/1/crew"]
        assert await connection.fetchval("SELECT state FROM outbox WHERE key = 'incident/1/crew'") == "cancelled"
        assert await connection.fetchval("SELECT state FROM outbox WHERE key = 'incident/10'") == "waiting"
        assert await connection.fetchval("SELECT state FROM delivery WHERE key = 'incident/1' AND channel = 'sms'") == "sent"
        assert await outbox.cancel("incident/1", NOW) == 0

    keys = ("incident/1", "incident/1/accept/2", "incident/1/crew", "incident/17/accept/2", "incident/1.5", "incident/10")
    run(database, body, *map(samples.telling, keys))


def test_cancel_leaves_what_was_decided_after_the_acknowledgement(database: str) -> None:
    async def body(outbox: Outbox, connection: asyncpg.Connection) -> None:
        await outbox.resolve(NOW, by(AIDA))
        assert await outbox.cancel("incident/1/crew", NOW, Micros(NOW - 1)) == 0
        assert await outbox.cancel("incident/1/crew", NOW, NOW) > 0
        assert await connection.fetchval("SELECT count(*) FROM delivery WHERE state <> 'cancelled'") == 0

    run(database, body, samples.telling("incident/1/crew/7"))


def test_cancel_acknowledged_ends_what_a_dead_process_did_not_come_to(database: str) -> None:
    async def body(outbox: Outbox, connection: asyncpg.Connection) -> None:
        await outbox.resolve(NOW, by(AIDA))
        fact = '{"type":"acknowledged","terms":["crew"],"review_due_us":null}'
        await connection.execute(
            "INSERT INTO incident_log VALUES (1, 9, $1, 'acknowledged', 'operator:a', 'c', $2)", NOW, fact.encode()
        )
        assert await outbox.cancel_acknowledged(Micros(NOW + 1), NOW) == 0
        assert await outbox.cancel_acknowledged(NOW, NOW) > 0
        rows = await connection.fetch("SELECT DISTINCT key FROM delivery WHERE state = 'cancelled'")
        assert [row["key"] for row in rows] == ["incident/1/crew/7"]

    run(database, body, *map(samples.telling, ("incident/1/crew/7", "incident/1/accept/8", "incident/2/crew/7")))


def test_two_that_ask_at_the_same_time_share_the_work_and_nothing_is_claimed_twice(database: str) -> None:
    async def body(outbox: Outbox, _: asyncpg.Connection) -> None:
        await outbox.resolve(NOW, by(AIDA))
        other = Outbox(database)
        claims = await asyncio.gather(*(each.claim(NOW, {Channel.SMS: 7}) for each in (outbox, other) * 10))
        await other.close()
        keys = [one.telling.key for claim in claims for one in claim]
        assert sorted(keys) == sorted(f"k{number}" for number in range(100))

    run(database, body, *(samples.telling(f"k{number}") for number in range(100)))


def test_outbox_connects_again_when_its_connection_was_cut(database: str) -> None:
    async def body(outbox: Outbox, connection: asyncpg.Connection) -> None:
        await outbox.resolve(NOW, by(AIDA))
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'jedel outbox' AND datname = current_database()"
        )
        claimed: list[Claimed] = []
        while not claimed:
            try:
                claimed = await outbox.claim(NOW, ROOM)
            except Exception as error:
                assert str(error).startswith("unreachable")
        assert len(claimed) == 1

    run(database, body)


def test_outbox_does_not_wait_for_a_database_that_hangs_when_it_is_cancelled(database: str) -> None:
    async def body(outbox: Outbox, connection: asyncpg.Connection) -> None:
        await outbox.resolve(NOW, by(AIDA))
        async with connection.transaction():
            await connection.execute("LOCK TABLE delivery IN ACCESS EXCLUSIVE MODE")
            asking = asyncio.create_task(outbox.claim(NOW, ROOM))
            while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110
                await asyncio.sleep(0)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
        assert len(await outbox.claim(NOW, ROOM)) == 1

    run(database, body)


def test_outbox_keeps_nothing_of_a_step_that_fails_in_the_middle(database: str) -> None:
    async def body(outbox: Outbox, connection: asyncpg.Connection) -> None:
        def who(telling: Telling) -> Found:
            return by(AIDA)(telling) if telling.key == "a" else by(AIDA)(samples.telling(str(1 / 0)))

        with pytest.raises(ZeroDivisionError):
            await outbox.resolve(NOW, who)
        assert await states(connection) == []
        assert len(await outbox.resolve(NOW, by(AIDA))) == 2

    run(database, body, samples.telling("a", priority=1), samples.telling("b", priority=2))


def test_bell_of_another_process_is_heard(database: str) -> None:
    async def main() -> None:
        rung = asyncio.Event()
        outbox = Outbox(database, rung.set)
        connection = await connect(database, "test")
        assert await outbox.next_due_us() is None
        await connection.execute("NOTIFY jedel_outbox")
        async with asyncio.timeout(30):
            await rung.wait()
        await outbox.close()
        await connection.close()

    asyncio.run(main())


def test_late_word_of_a_try_is_not_heard_when_a_person_has_ordered_another(database: str) -> None:
    async def body(outbox: Outbox, connection: asyncpg.Connection) -> None:
        await outbox.resolve(NOW, by(person("aida", SMS)))
        late = await one_claimed(outbox)
        assert await outbox.hand(late)
        now_us = Micros(NOW + limits.SEND_LEASE_US)
        assert await outbox.reclaim(now_us) == 1
        assert await retry(connection, late.telling.key, now_us) == 1
        again = await one_claimed(outbox, now_us)
        assert again.tries == late.tries
        assert await outbox.settle(late, SENT, now_us) is None
        assert await outbox.settle(again, SENT, now_us) is DeliveryState.SENT

    run(database, body, samples.telling(priority=limits.SMS_TWICE_PRIORITY + 1))
