"""The hub over real sockets on uvloop: greeting, commands and their answers, contexts, drain. Counts decide, not clocks."""

from __future__ import annotations

import json

import pytest
from picows import ws_connect

from core.commands import Accept, Order
from core.instant import Micros
from protocols.dispatch.codec import encode, text_of
from protocols.dispatch.listener import DispatchHub
from protocols.dispatch.message import (
    PATH,
    PROTOCOL,
    Answer,
    AskContext,
    Changes,
    CommandMessage,
    ContextAnswer,
    ContextReason,
    Error,
    ErrorCode,
    Goodbye,
    GoodbyeReason,
    Hello,
    Subscribe,
    Welcome,
)
from protocols.dispatch.publisher import Publisher
from tests.protocols.dispatch_centre import (
    HELLO,
    TOKENS,
    Centre,
    Peer,
    connect,
    greeted,
    raw_socket,
    run,
    until,
    watching,
)
from tests.protocols.dispatch_world import CITY, answer, batch, context, incident


def test_conversation_from_hello_to_goodbye() -> None:
    async def story() -> None:
        async with Centre() as centre:
            centre.commit(batch(1, [incident(1)]))
            peer = await watching(centre)
            assert peer.mirror.versions == {1: 1}
            command = Accept(command_id="c1", incident=1, crew="P-1")
            peer.send(CommandMessage(body=command))
            await until(lambda: bool(centre.orders))
            assert centre.orders == [Order("operator:aigul", command)]
            centre.commit(batch(2, [incident(1, 2)], commands=[answer("c1"), answer("somebody else's")]))
            # What the command did is told before its answer.
            assert isinstance(await peer.get(), Changes)
            assert await peer.get() == Answer(command_id="c1", done=True, incident=1, reason="", text="")
            peer.send(Goodbye())
            assert await peer.get() == Goodbye(reason="bye")
            assert await peer.get() is None
            assert centre.hub.clients == 0

    run(story)


def test_context_goes_to_who_asked_with_what_it_may_see() -> None:
    async def story() -> None:
        async with Centre() as centre:
            whole, limited = await connect(centre, HELLO), await connect(centre, Hello(protocol=PROTOCOL, token="o"))
            for peer in (whole, limited):
                assert isinstance(await peer.get(), Welcome)
                peer.send(AskContext(incident=2))
            await until(lambda: len(centre.questions) == 2)
            assert sorted(question[:2] for question in centre.questions) == [(2, ""), (2, CITY)]
            for _, territory, tell in centre.questions:
                tell(context(2) if territory else ContextReason.UNAVAILABLE)
            assert await whole.get() == ContextAnswer(incident=2, reason="unavailable", context=None)
            assert await limited.get() == ContextAnswer(incident=2, reason="", context=context(2))

    run(story)


def test_context_that_comes_when_its_client_has_gone_is_nobodys() -> None:
    async def story() -> None:
        async with Centre() as centre:
            peer, other = await greeted(centre), await greeted(centre)
            peer.send(AskContext(incident=2))
            await until(lambda: len(centre.questions) == 1)
            assert peer.transport is not None
            peer.transport.disconnect()
            await until(lambda: centre.hub.clients == 1)
            centre.questions[0][2](context(2))
            other.send(Goodbye())
            assert await other.get() == Goodbye(reason="bye")

    run(story)


def test_hub_that_knows_nobody_to_ask_says_so() -> None:
    async def story() -> None:
        hub = DispatchHub(Publisher(), TOKENS.get, lambda order: None, lambda: 0)
        _, port = await hub.start("127.0.0.1", 0)
        _, peer = await ws_connect(Peer, f"ws://127.0.0.1:{port}{PATH}")
        assert isinstance(peer, Peer)
        for message in (HELLO, AskContext(incident=2)):
            peer.send(message)
        assert isinstance(await peer.get(), Welcome)
        assert await peer.get() == ContextAnswer(incident=2, reason="unavailable", context=None)
        await hub.drain()

    run(story)


def test_answer_goes_to_every_session_that_asked_and_lives() -> None:
    async def story() -> None:
        async with Centre() as centre:
            peers = [await greeted(centre) for _ in range(3)]
            for peer in peers:
                for _ in range(2):
                    peer.send(CommandMessage(body=Accept(command_id="c1", incident=1, crew="P-1")))
            await until(lambda: all("c1" in session.asked for session in centre.hub.sessions()))
            assert peers[0].transport is not None
            peers[0].transport.disconnect()
            await until(lambda: centre.hub.clients == 2)
            centre.commit(batch(1, commands=[answer("c1"), answer("c1")]))
            centre.commit(batch(2, commands=[answer("c1")]))
            for peer in peers[1:]:
                assert isinstance(await peer.get(), Answer)
                peer.send(Goodbye())
                assert isinstance(await peer.get(), Goodbye), "the answer came once"

    run(story)


def test_command_is_handed_over_once_however_often_it_is_asked_before_its_answer() -> None:
    async def story() -> None:
        async with Centre(commands_max=3) as centre:
            for _ in range(3):
                # A client that comes, orders and goes must not fill the centre while the database is away.
                passing = await greeted(centre)
                for command_id in ("c1", "c1", "c2"):
                    passing.send(CommandMessage(body=Accept(command_id=command_id, incident=1, crew="P-1")))
                passing.send(Goodbye())
                assert isinstance(await passing.get(), Goodbye)
            peer = await greeted(centre)
            for command_id in ("c3", "c4", "c1"):
                peer.send(CommandMessage(body=Accept(command_id=command_id, incident=1, crew="P-1")))
            refused = await peer.get()
            assert isinstance(refused, Error)
            assert (refused.code, refused.ref) == (ErrorCode.TOO_MANY_COMMANDS, "c4")
            await until(lambda: centre.hub.sessions()[-1].asked == {"c1", "c3"})
            assert [order.command.command_id for order in centre.orders] == ["c1", "c2", "c3"]
            centre.commit(batch(1, commands=[answer("c1"), answer("c2"), answer("c3")]))
            for command_id in ("c1", "c3"):
                told = await peer.get()
                assert isinstance(told, Answer)
                assert told.command_id == command_id
            peer.send(CommandMessage(body=Accept(command_id="c4", incident=1, crew="P-1")))
            await until(lambda: len(centre.orders) == 4)

    run(story)


def test_wrong_token_is_turned_away() -> None:
    async def story() -> None:
        async with Centre() as centre:
            peer = await connect(centre, Hello(protocol=PROTOCOL, token="x"), Subscribe(id="a"))
            assert await peer.get() == Goodbye(reason="unauthorized", text="the token is not one of a client's")
            assert await peer.get() is None
            assert centre.hub.goodbyes[GoodbyeReason.UNAUTHORIZED] == 1

    run(story)


def test_drain_says_goodbye_and_refuses_newcomers() -> None:
    async def story() -> None:
        centre = Centre(close_grace_s=0.1)
        async with centre:
            peers = [await watching(centre) for _ in range(5)]
            deaf = await raw_socket(centre, HELLO)
            await until(lambda: centre.hub.clients == 6)
        for peer in peers:
            assert await peer.get() == Goodbye(reason="shutdown")
            assert await peer.get() is None
        with pytest.raises(OSError):
            await connect(centre)
        deaf.close()

    run(story)


def test_batches_before_the_start_are_kept() -> None:
    async def story() -> None:
        centre = Centre()
        centre.commit(batch(1, [incident(1)], commands=[answer("c1")]))
        async with centre:
            peer = await watching(centre)
            assert peer.mirror.versions == {1: 1}

    run(story)


def test_time_of_the_centre_is_told_in_the_welcome() -> None:
    async def story() -> None:
        async with Centre() as centre:
            peer = await connect(centre, HELLO)
            welcome = await peer.get()
            assert isinstance(welcome, Welcome)
            assert Micros(welcome.now_us) == 1_000
            assert json.loads(text_of(encode(welcome)))["limits"]["message_max_bytes"] == 256 * 1024

    run(story)
