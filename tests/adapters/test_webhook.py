"""Webhooks against a real HTTP server: what arrives, what its signature is worth, and what each answer means."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from adapters.channels.webhook import Body, Webhook, signature, verify
from core.delivery import DeliveryFault
from tests.adapters.receiver import Receiver
from tests.adapters.sending import NOW, TELLING, Try, closed_port, message, now_us, port_that_hangs

SECRET = "shared"


def test_send_posts_the_message_signed_with_its_id() -> None:
    async def main() -> None:
        async with Receiver().served() as receiver:
            assert await Try().of(Webhook(SECRET, now_us), receiver.url) == "200"
        ((headers, body),) = receiver.got
        assert headers["Content-Type"] == "application/json"
        assert headers["Idempotency-Key"] == message().message_id
        assert headers["X-Jedel-Timestamp"] == str(NOW // 1_000_000)
        assert verify(SECRET, headers["X-Jedel-Timestamp"], body, headers["X-Jedel-Signature"])
        told = msgspec.json.decode(body, type=Body)
        assert (told.message_id, told.key, told.happened, told.incident) == ("0f" * 16, TELLING.key, "accept_passed", 17)
        assert (told.person, told.priority, told.values, told.language) == ("aida", 2, TELLING.values, "kk")
        assert (told.subject, told.text) == (message().subject, message().text)

    asyncio.run(main())


def test_signature_is_the_one_documented_and_no_other_passes() -> None:
    # printf '1714557600.{}' | openssl dgst -sha256 -hmac shared
    made = "v1=b1f6518c27dd4724b5ac9c3799ee0f6f9292b3b00df43178ae8ee892fb7ad270"
    assert signature(SECRET, "1714557600", b"{}") == made
    assert verify(SECRET, "1714557600", b"{}", made)
    for secret, timestamp, body, presented in (
        ("other", "1714557600", b"{}", made),
        (SECRET, "1714557601", b"{}", made),
        (SECRET, "1714557600", b"{ }", made),
        (SECRET, "1714557600", b"{}", made.upper()),
        (SECRET, "1714557600", b"{}", ""),
        (SECRET, "1714557600", b"{}", "é"),
    ):
        assert not verify(secret, timestamp, body, presented)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, "200"),
        (204, "204"),
        (302, DeliveryFault.MESSAGE_REFUSED),
        (307, DeliveryFault.MESSAGE_REFUSED),
        (400, DeliveryFault.MESSAGE_REFUSED),
        (401, DeliveryFault.LOGIN_REFUSED),
        (404, DeliveryFault.ADDRESS_REFUSED),
        (408, DeliveryFault.SERVER_BUSY),
        (410, DeliveryFault.ADDRESS_REFUSED),
        (429, DeliveryFault.SERVER_BUSY),
        (500, DeliveryFault.SERVER_BUSY),
        (503, DeliveryFault.SERVER_BUSY),
    ],
)
def test_status_says_what_follows(status: int, outcome: str | DeliveryFault) -> None:
    async def main() -> None:
        async with Receiver(status).served() as receiver:
            assert await Try().of(Webhook(SECRET, now_us), receiver.url) == outcome
            assert len(receiver.got) == 1  # a redirect is not followed

    asyncio.run(main())


def test_send_goes_through_with_the_same_id_when_the_server_failed_before() -> None:
    async def main() -> None:
        async with Receiver(500).served() as receiver:
            webhook = Webhook(SECRET, now_us)
            assert await Try().of(webhook, receiver.url) is DeliveryFault.SERVER_BUSY
            assert await Try().of(webhook, receiver.url) == "200"
            assert len({headers["Idempotency-Key"] for headers, _ in receiver.got}) == 1

    asyncio.run(main())


def test_send_is_in_doubt_when_the_server_goes_without_an_answer() -> None:
    async def main() -> None:
        async with Receiver(aborts=True).served() as receiver:
            assert await Try().of(Webhook(SECRET, now_us), receiver.url) is DeliveryFault.IN_DOUBT

    asyncio.run(main())


def test_send_gives_up_a_server_that_never_answers_and_one_that_is_not_there() -> None:
    async def main() -> None:
        webhook = Webhook(SECRET, now_us, timeout_s=0.05)
        async with port_that_hangs() as port:
            assert await Try().of(webhook, f"http://127.0.0.1:{port}/") is DeliveryFault.TOO_SLOW
        assert await Try().of(webhook, f"http://127.0.0.1:{closed_port()}/") is DeliveryFault.UNREACHABLE
        assert await Try().of(webhook, "http://[/") is DeliveryFault.ADDRESS_REFUSED

    asyncio.run(main())
