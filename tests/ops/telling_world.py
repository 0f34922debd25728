"""What the tests of telling share: people, their servers, real ones on this machine, and a clock that is set by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from adapters.channels.channel import Sender
from adapters.messages.writer import MessageWriter
from core.category import load_categories
from core.instant import SECOND_US, Micros
from core.telling import Channel, Telling
from ops.config import Channels
from ops.post import PeopleOfFile, Post
from ops.telling import senders_of
from storage.outbox import Outbox
from storage.session import connect
from storage.writer import Writer
from tests.adapters.mail_server import Server as MailServer
from tests.adapters.receiver import Receiver
from tests.adapters.smsc import PASSWORD, SYSTEM_ID, Smsc, smsc_of
from tests.storage import samples

ROOM = {Channel.WEBHOOK: 16, Channel.MAIL: 16, Channel.SMS: 16}
SECRET = "shared"

PEOPLE = """\
[[people]]
id = "hook"
roles = ["shift_lead"]
languages = ["en"]
channels = ["webhook:{url}"]
[[people]]
id = "mail"
roles = ["shift_lead"]
languages = ["ru"]
channels = ["mail:mail@example.kz"]
[[people]]
id = "sms"
roles = ["shift_lead"]
languages = ["kk"]
channels = ["sms:+77010000001"]
[[people]]
id = "both"
roles = ["duty_officer"]
languages = ["ru"]
channels = ["dispatch", "sms:+77010000002", "mail:both@example.kz"]
"""


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, now_us: Micros = samples.NOW) -> None:
        self.now_us = now_us

    def __call__(self) -> Micros:
        return self.now_us

    def move(self, seconds: float) -> None:
        self.now_us = Micros(self.now_us + round(seconds * SECOND_US))


class Town:
    """The servers that messages are handed to."""

    def __init__(self, receiver: Receiver, mail: MailServer, smsc: Smsc) -> None:
        self.receiver = receiver
        self.mail = mail
        self.smsc = smsc

    def channels(self) -> Channels:
        return Channels(
            webhook_secret=SECRET,
            mail_server=f"127.0.0.1:{self.mail.port}",
            mail_security="none",
            mail_from="jedel@example.kz",
            sms_server=f"127.0.0.1:{self.smsc.port}",
            sms_system_id=SYSTEM_ID,
            sms_password=PASSWORD,
            sms_from="JEDEL",
        )

    def write_people(self, folder: Path) -> Path:
        file = folder / "people.toml"
        file.write_text(PEOPLE.format(url=self.receiver.url), encoding="utf-8")
        return file


@asynccontextmanager
async def town_of(receiver: Receiver | None = None, mail: MailServer | None = None) -> AsyncIterator[Town]:
    """A town whose servers run."""
    async with smsc_of() as smsc, (receiver or Receiver()).served() as hooks, (mail or MailServer()).served() as mails:
        yield Town(hooks, mails, smsc)


@asynccontextmanager
async def post_of(
    dsn: str, town: Town, folder: Path, clock: Clock, senders: dict[Channel, Sender] | None = None
) -> AsyncIterator[Post]:
    """A post of this town."""
    people = PeopleOfFile(town.write_people(folder))
    writer = MessageWriter(load_categories(), "Алматы")
    post = Post(Outbox(dsn), people, writer, senders or senders_of(town.channels(), clock), clock)
    try:
        yield post
    finally:
        await post.close()


async def commit(dsn: str, *tellings: Telling) -> None:
    """Commits a batch with these tellings, as the engine's would be."""
    connection = await connect(dsn, "test")
    number = await connection.fetchval("SELECT last_batch + 1 FROM centre")
    await connection.close()
    writer = Writer(dsn, 0)
    await writer.commit(samples.batch(number, tellings=list(tellings)))
    await writer.close()


async def round_of(post: Post) -> int:
    """One look at the outbox, and all tries it gave to their ends; returns how many."""
    claimed, _ = await post.prepare(ROOM)
    await asyncio.gather(*map(post.deliver, claimed))
    return len(claimed)


async def states(dsn: str) -> dict[tuple[str, str], tuple[str, int, str]]:
    """Person and channel → state, tries and fault, of the only telling."""
    connection = await asyncpg.connect(dsn)
    rows = await connection.fetch("SELECT person, channel, state, tries, fault FROM delivery")
    await connection.close()
    return {(row[0], row[1]): (row[2], row[3], row[4]) for row in rows}
