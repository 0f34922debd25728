"""SMS against a real SMSC over a socket: what arrives, in how many parts, and what each end of a try means."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from adapters.channels.smpp import SmppSession
from adapters.channels.sms import Sms, SmsServer
from core import limits
from core.delivery import DeliveryFault
from tests.adapters.sending import Try, closed_port, message, now_us, port_that_hangs
from tests.adapters.smsc import GONE, OK, PASSWORD, SILENT, SYSTEM_ID, Smsc, Submitted, smsc_of

TO = "+77010000001"


def server(port: int, password: str = PASSWORD, sender: str = "JEDEL") -> SmsServer:
    return SmsServer("127.0.0.1", port, SYSTEM_ID, password, sender)


def run(body: Callable[[Sms, Smsc], Awaitable[None]], *, password: str = PASSWORD, timeout_s: float = 20.0) -> None:
    async def main() -> None:
        async with smsc_of() as smsc:
            sms = Sms(server(smsc.port, password), now_us, timeout_s)
            try:
                await body(sms, smsc)
            finally:
                await sms.close()

    asyncio.run(main())


def test_send_submits_one_part_in_ucs2_and_returns_the_smsc_s_id() -> None:
    async def body(sms: Sms, smsc: Smsc) -> None:
        assert await Try().of(sms, TO) == "id-1"
        (one,) = smsc.submitted
        assert (one.source, one.destination, one.data_coding, one.esm_class) == ("JEDEL", "77010000001", 8, 0)
        assert one.text == message().short
        assert (one.priority, one.validity) == (1, "000000010000000R")

    run(body)


def test_send_submits_latin_in_the_gsm_alphabet_and_less_urgent_without_priority() -> None:
    async def body(sms: Sms, smsc: Smsc) -> None:
        assert await Try().of(sms, TO, message("#17 A-1 not accepted", priority=3)) == "id-1"
        (one,) = smsc.submitted
        assert (one.data_coding, one.octets, one.priority) == (0, b"#17 A-1 not accepted", 0)

    run(body)


def test_send_submits_a_long_text_in_parts_that_a_telephone_joins() -> None:
    async def body(sms: Sms, smsc: Smsc) -> None:
        text = "Өрт, Абай даңғылы " * 10
        assert await Try().of(sms, TO, message(text)) == "id-3"
        assert "".join(one.text for one in smsc.submitted) == text
        assert [one.octets[:6] for one in smsc.submitted] == [bytes([5, 0, 3, 0x0F, 3, number]) for number in (1, 2, 3)]
        assert {one.esm_class for one in smsc.submitted} == {0x40}

    run(body)


def test_session_is_kept_between_messages_and_left_with_an_unbind() -> None:
    async def body(sms: Sms, smsc: Smsc) -> None:
        for _ in range(3):
            assert str(await Try().of(sms, TO)).startswith("id-")
        assert (smsc.binds, smsc.enquiries) == (1, 2)
        await sms.close()
        assert smsc.unbinds == 1

    run(body)


def test_session_is_bound_anew_when_the_smsc_has_cut_it_meanwhile() -> None:
    async def body(sms: Sms, smsc: Smsc) -> None:
        assert await Try().of(sms, TO) == "id-1"
        smsc.cut()
        assert await Try().of(sms, TO) == "id-2"
        assert smsc.binds == 2

    run(body)


def test_smsc_that_asks_whether_we_are_there_is_answered() -> None:
    async def body(sms: Sms, smsc: Smsc) -> None:
        smsc.asks_back = True
        assert await Try().of(sms, TO) == "id-1"
        assert await Try().of(sms, TO) == "id-2"
        assert smsc.answers[0] == bytes.fromhex("00000010800000150000000000000000")[:12] + bytes([0, 0, 0, 77])

    run(body)


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (0x08, DeliveryFault.SERVER_BUSY),
        (0x14, DeliveryFault.SERVER_BUSY),
        (0x58, DeliveryFault.SERVER_BUSY),
        (0x0B, DeliveryFault.ADDRESS_REFUSED),
        (0x45, DeliveryFault.MESSAGE_REFUSED),
        (0x7FFF, DeliveryFault.MESSAGE_REFUSED),
    ],
)
def test_status_says_what_follows_and_the_session_lives_on(status: int, fault: DeliveryFault) -> None:
    async def body(sms: Sms, smsc: Smsc) -> None:
        answers = [status, OK]
        smsc.next = lambda _: answers.pop(0)
        assert await Try().of(sms, TO) is fault
        assert await Try().of(sms, TO) == "id-2"
        assert smsc.binds == 1

    run(body)


@pytest.mark.parametrize("answer", [GONE, SILENT])
def test_send_is_in_doubt_when_the_answer_to_a_submit_never_comes(answer: int) -> None:
    async def body(sms: Sms, smsc: Smsc) -> None:
        answers = [answer, OK]
        smsc.next = lambda _: answers.pop(0)
        one = Try()
        assert await one.of(sms, TO) is DeliveryFault.IN_DOUBT
        assert one.handed == 1
        assert await Try().of(sms, TO) == "id-2"

    run(body, timeout_s=1.0)


def test_wrong_password_is_said_before_anything_is_handed_over() -> None:
    async def body(sms: Sms, smsc: Smsc) -> None:
        one = Try()
        assert await one.of(sms, TO) is DeliveryFault.LOGIN_REFUSED
        assert one.handed == 0 and smsc.submitted == []

    run(body, password="wrong")


def test_nothing_is_handed_over_when_nobody_answers() -> None:
    async def main() -> None:
        one = Try()
        assert await one.of(Sms(server(closed_port()), now_us), TO) is DeliveryFault.UNREACHABLE
        async with port_that_hangs() as port:
            assert await one.of(Sms(server(port), now_us, timeout_s=0.05), TO) is DeliveryFault.TOO_SLOW
        assert one.handed == 0

    asyncio.run(main())


def test_whoever_does_not_speak_smpp_is_given_up() -> None:
    async def main() -> None:
        ended = asyncio.Event()

        async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 mail.example.kz ESMTP, and much more than that\r\n")
            await reader.read(-1)
            writer.close()
            await writer.wait_closed()
            ended.set()

        other = await asyncio.start_server(speak, "127.0.0.1", 0)
        one = Try()
        assert await one.of(Sms(server(other.sockets[0].getsockname()[1]), now_us), TO) is DeliveryFault.UNREACHABLE
        assert one.handed == 0
        other.close()
        await ended.wait()

    asyncio.run(main())


def test_messages_share_a_session_and_each_gets_its_own_answer_in_whatever_order() -> None:
    async def body(sms: Sms, smsc: Smsc) -> None:
        smsc.holds = limits.SMS_WINDOW
        numbers = [f"+7701000{number:04}" for number in range(limits.SMS_WINDOW)]
        receipts = await asyncio.gather(*(Try().of(sms, number) for number in numbers))
        taken = {one.destination: f"id-{place}" for place, one in enumerate(smsc.submitted, start=1)}
        assert receipts == [taken[number.removeprefix("+")] for number in numbers]
        assert smsc.binds == 1

    run(body)


def test_no_more_messages_are_under_way_than_the_window_allows() -> None:
    async def body(sms: Sms, smsc: Smsc) -> None:
        smsc.holds = limits.SMS_WINDOW + 1  # it waits for one more than may come
        full = asyncio.Event()

        def count(_: Submitted) -> int:
            if len(smsc.submitted) == limits.SMS_WINDOW:
                full.set()
            return OK

        smsc.next = count
        tries = [Try() for _ in range(limits.SMS_WINDOW + 5)]
        outcomes = [asyncio.create_task(one.of(sms, TO)) for one in tries]
        await full.wait()
        other = await SmppSession.bind("127.0.0.1", smsc.port, SYSTEM_ID, PASSWORD)
        for _ in range(10):  # there and back, by which any other message would have come
            await other.enquire()
        assert len(smsc.submitted) == sum(one.handed for one in tries) == limits.SMS_WINDOW
        smsc.holds = 0
        smsc.cut()
        ends = await asyncio.gather(*outcomes)
        # What was handed over is in doubt; what waited for room has told nobody, and goes out now.
        assert ends.count(DeliveryFault.IN_DOUBT) == limits.SMS_WINDOW
        assert sum(isinstance(end, str) for end in ends) == 5
        other.abort()

    run(body)


def test_message_without_an_answer_takes_no_other_one_with_it() -> None:
    async def body(sms: Sms, smsc: Smsc) -> None:
        def answer(one: Submitted) -> int:
            return SILENT if one.destination.endswith("9") else OK

        smsc.next = answer
        assert await Try().of(sms, TO) == "id-1"
        text = "Өрт, Абай даңғылы " * 10
        silent = asyncio.create_task(Try().of(sms, "+77010000009"))
        others = [await Try().of(sms, TO, message(text)) for _ in range(3)]
        assert all(isinstance(one, str) for one in others)
        assert await silent is DeliveryFault.IN_DOUBT
        assert isinstance(await Try().of(sms, TO), str)
        assert smsc.binds == 2, "the session without an answer is given up for those that come after"

    run(body, timeout_s=1.0)
