"""How fast dispatch clients are told: rates, slow readers, turns, snapshots in parts. Counts decide, not clocks."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from core.commands import Accept
from protocols.dispatch.message import (
    Answer,
    Changes,
    CommandMessage,
    Goodbye,
    GoodbyeReason,
    Subscribe,
)
from protocols.dispatch.publisher import Publisher
from tests.protocols.dispatch_centre import (
    HELLO,
    Centre,
    buffers,
    greeted,
    holds,
    masked,
    raw_socket,
    run,
    until,
    watching,
)
from tests.protocols.dispatch_world import answer, batch, incident


def test_heartbeat_moves_the_cursor_of_a_quiet_subscription() -> None:
    async def story() -> None:
        async with Centre(idle_timeout_s=0.3) as centre:
            peer = await watching(centre)
            centre.commit(batch(5))
            await peer.until(lambda: peer.mirror.cursor == 5)

    run(story)


def test_rate_limited_subscription_gets_the_newest_state_in_fewer_messages() -> None:
    async def story() -> None:
        async with Centre() as centre:
            limited, free = await watching(centre, max_per_s=4.0), await watching(centre)
            for version in range(1, 101):
                centre.commit(batch(version, [incident(1, version)]))
            await limited.until(lambda: limited.mirror.versions == {1: 100})
            await free.until(lambda: free.mirror.versions == {1: 100})
            assert free.count == 1 + 100
            # One a quarter of a second: the hundred batches are not the work of two seconds.
            assert limited.count < 10

    run(story)


def test_rate_yields_to_the_bound_rather_than_cut_the_client() -> None:
    async def story() -> None:
        async with Centre(Publisher(pending_max=50)) as centre:
            limited = await watching(centre, max_per_s=0.01)
            for number in range(1, 301):
                centre.commit(batch(number, [incident(number)]))
            await limited.until(lambda: len(limited.mirror.incidents) >= 270)
            assert centre.hub.goodbyes[GoodbyeReason.TOO_SLOW] == 0
            # Half the bound at a time: about twelve messages after the snapshot, not three hundred.
            assert limited.count < 20

    run(story)


def test_client_that_never_reads_is_cut_at_its_bound_and_slows_nobody() -> None:
    async def story() -> None:
        publisher = Publisher(pending_max=200)
        async with Centre(publisher, buffer_bytes=100_000, close_grace_s=0.05) as centre:
            fast = await watching(centre)
            dead = await raw_socket(centre, HELLO, Subscribe(id="map"))
            await until(lambda: centre.hub.clients == 2)
            number = most = 0
            while centre.hub.clients == 2:
                number += 1
                assert number < 20_000
                centre.commit(batch(number, [incident(number, padding=20_000)]))
                most = max(most, *buffers(centre.hub))
                # The fast client has each batch before the next one.
                await fast.until(partial(fast.mirror.incidents.__contains__, number))
            assert centre.hub.goodbyes[GoodbyeReason.TOO_SLOW] == 1
            assert most < 50_000 + 21_000, "half the bound and one message"
            # It never reads its goodbye either: after the grace the connection goes.
            await until(lambda: len(centre.hub._connections) == 1)
            dead.close()

    run(story)


def test_client_that_pauses_conflates_and_catches_up() -> None:
    async def story() -> None:
        async with Centre(buffer_bytes=100_000) as centre:
            peer = await watching(centre)
            assert peer.transport is not None
            peer.transport.underlying_transport.pause_reading()
            for version in range(1, 2_001):
                centre.commit(batch(version, [incident(n, version, created=version == 1, padding=5_000) for n in range(3)]))
                if version % 20 == 0:
                    await asyncio.sleep(0)
            sent = centre.hub.delivered_messages
            assert sent < 2_001
            peer.transport.underlying_transport.resume_reading()
            await peer.until(lambda: peer.mirror.versions == dict.fromkeys(range(3), 2_000))
            assert peer.count == centre.hub.delivered_messages

    run(story)


def test_client_that_sends_and_never_reads_is_cut() -> None:
    async def story() -> None:
        async with Centre(buffer_bytes=50_000, close_grace_s=0.05) as centre:
            loop = asyncio.get_running_loop()
            sock = await raw_socket(centre, HELLO)
            pings = masked(0x89, bytes(100)) * 500
            most = 0
            with pytest.raises(ConnectionError):
                while True:
                    await loop.sock_sendall(sock, pings)
                    most = max([most, *buffers(centre.hub)])
            assert centre.hub.goodbyes[GoodbyeReason.TOO_SLOW] == 1
            assert most < 100_000
            sock.close()

    run(story)


def test_many_clients_with_one_filter_share_every_message() -> None:
    async def story() -> None:
        async with Centre() as centre:
            peers = [await watching(centre) for _ in range(100)]
            before = centre.publisher.encodings
            for number in range(1, 21):
                centre.commit(batch(number, [incident(number), incident(1_000 + number)]))
            for peer in peers:
                await peer.until(partial(holds, peer, 40))
            # One for the snapshot, and one a batch, or fewer where the batches came faster than a hundred could be told.
            count = peers[0].count
            assert 2 <= count <= 21
            assert {peer.count for peer in peers} == {count}
            assert centre.publisher.encodings == before + count - 1
            assert centre.hub.delivered_messages == 100 * count

    run(story)


def test_clients_are_told_in_turns_and_what_is_committed_meanwhile_shares_their_message() -> None:
    async def story() -> None:
        async with Centre(fanout_turn=2) as centre:
            peers = [await watching(centre) for _ in range(6)]
            for number in range(1, 11):
                centre.commit(batch(number, [incident(number)]))
            # The first two had their turn with the first batch; the loop has not turned since.
            assert centre.hub.delivered_messages == 6 + 2
            for peer in peers:
                await peer.until(partial(holds, peer, 10))
            assert [peer.count for peer in peers] == [3, 3, 2, 2, 2, 2]

    run(story)


def test_answer_comes_after_what_its_command_changed_also_before_the_clients_turn() -> None:
    async def story() -> None:
        async with Centre(fanout_turn=1) as centre:
            peers = [await watching(centre) for _ in range(5)]
            peers[-1].send(CommandMessage(body=Accept(command_id="c1", incident=1, crew="P-1")))
            await until(lambda: bool(centre.orders))
            centre.commit(batch(1, [incident(1)], commands=[answer("c1")]))
            assert isinstance(await peers[-1].get(), Changes)
            assert isinstance(await peers[-1].get(), Answer)
            assert peers[-1].count == 2
            for peer in peers:
                await peer.until(partial(holds, peer, 1))
                assert peer.count == 2

    run(story)


def test_who_waits_for_a_turn_is_told_at_once_when_the_bound_is_near() -> None:
    async def story() -> None:
        async with Centre(Publisher(pending_max=50), fanout_turn=1) as centre:
            peers = [await watching(centre) for _ in range(4)]
            for number in range(1, 301):
                centre.commit(batch(number, [incident(number)]))
            for peer in peers:
                await peer.until(partial(holds, peer, 300))
            assert centre.hub.goodbyes[GoodbyeReason.TOO_SLOW] == 0

    run(story)


def test_drain_tells_those_who_wait_for_their_turn() -> None:
    async def story() -> None:
        async with Centre(fanout_turn=1) as centre:
            peers = [await watching(centre) for _ in range(5)]
            centre.commit(batch(1, [incident(1)]))
        for peer in peers:
            assert isinstance(await peer.get(), Changes)
            assert await peer.get() == Goodbye(reason="shutdown")

    run(story)


def test_large_snapshot_goes_out_in_parts_while_changes_come() -> None:
    async def story() -> None:
        publisher = Publisher(part_bytes=10_000, step=50)
        async with Centre(publisher, buffer_bytes=60_000) as centre:
            centre.commit(batch(1, [incident(n, padding=500) for n in range(2_000)]))
            peer = await greeted(centre, Subscribe(id="map"))
            for number in range(2, 30):
                centre.commit(batch(number, [incident(number * 60, number, created=False)]))
                await asyncio.sleep(0)
            await peer.until(lambda: peer.mirror.cursor == 29)
            assert peer.mirror.versions == {n: n // 60 if n % 60 == 0 and 2 <= n // 60 < 30 else 1 for n in range(2_000)}
            assert peer.count > 50

    run(story)


def test_large_snapshot_waits_for_a_socket_that_takes_no_more() -> None:
    async def story() -> None:
        publisher = Publisher(part_bytes=20_000)
        async with Centre(publisher, buffer_bytes=60_000, close_grace_s=0.05) as centre:
            centre.commit(batch(1, [incident(n, padding=1_000) for n in range(10_000)]))
            deaf = await raw_socket(centre, HELLO, Subscribe(id="map"))
            peer = await watching(centre)
            assert len(peer.mirror.incidents) == 10_000
            assert max(buffers(centre.hub)) < 30_000 + 22_000, "half the bound and one part"
            deaf.close()

    run(story)
