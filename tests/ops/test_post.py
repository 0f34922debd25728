"""From a committed telling to a person, through a real database and real servers, on a clock that is set by hand."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from adapters.channels.channel import Hand, Message, Sender
from adapters.channels.webhook import Body, verify
from adapters.messages.writer import MessageWriter
from core import limits
from core.category import load_categories
from core.instant import SECOND_US, Micros, to_datetime
from core.people_file import PeopleError
from core.telling import Channel
from ops.post import PeopleOfFile, Post
from ops.telling import senders_of
from storage.outbox import Outbox
from storage.outbox_view import read_outbox, retry
from storage.session import connect
from tests.adapters.mail_server import Server as MailServer
from tests.adapters.receiver import Receiver
from tests.adapters.smsc import SILENT
from tests.ops.telling_world import SECRET, Clock, commit, post_of, round_of, states, town_of
from tests.storage import samples


def test_everybody_of_a_role_is_told_once_each_by_their_channel_in_their_language(database: str, tmp_path: Path) -> None:
    async def main() -> None:
        clock = Clock()
        async with town_of() as town, post_of(database, town, tmp_path, clock) as post:
            await commit(database, samples.telling())
            assert await round_of(post) == 3
            assert await round_of(post) == 0
            await commit(database, samples.telling())  # the same step, decided again
            assert await round_of(post) == 0
            ((headers, body),) = town.receiver.got
            assert verify(SECRET, headers["X-Jedel-Timestamp"], body, headers["X-Jedel-Signature"])
            told = msgspec.json.decode(body, type=Body)
            assert (told.person, told.language, told.subject) == ("hook", "en", "Crew A-1 has not accepted its task")
            (mail,) = town.mail.mail
            assert (mail["To"], mail["Subject"]) == ("mail@example.kz", "Наряд A-1 не принял задание")
            (sms,) = town.smsc.submitted
            assert (sms.destination, sms.text) == ("77010000001", "№1 A-1 қабылдамады: Абай даңғылы, 10")
            assert set((await states(database)).values()) == {("sent", 1, "")}

    asyncio.run(main())


def test_message_is_sent_again_after_its_pause_when_the_server_has_failed(database: str, tmp_path: Path) -> None:
    async def main() -> None:
        clock = Clock()
        async with town_of(Receiver(500, 503)) as town, post_of(database, town, tmp_path, clock) as post:
            await commit(database, samples.telling(to="person:hook"))
            for number in (1, 2):
                assert await round_of(post) == 1
                assert (await states(database))["hook", "webhook"] == ("waiting", number, "server_busy")
                clock.move(limits.BACK_OFF_FIRST_US * 2 ** (number - 1) / 2 / 1e6 - 0.001)
                assert await round_of(post) == 0
                clock.move(limits.BACK_OFF_FIRST_US * 2 ** (number - 1) / 2 / 1e6 + 0.001)
            assert await round_of(post) == 1
            assert (await states(database))["hook", "webhook"] == ("sent", 3, "")
            assert len({headers["Idempotency-Key"] for headers, _ in town.receiver.got}) == 1

    asyncio.run(main())


def test_next_channel_takes_over_when_the_first_server_is_away_and_ends_it_when_it_has_told(
    database: str, tmp_path: Path
) -> None:
    async def main() -> None:
        clock = Clock()
        async with town_of() as town:
            away = msgspec.structs.replace(town.channels(), sms_server="127.0.0.1:1")
            async with post_of(database, town, tmp_path, clock, senders_of(away, clock)) as post:
                await commit(database, samples.telling(to="duty_officer"))
                for _ in range(limits.TRIES_BEFORE_NEXT):
                    assert town.mail.mail == []
                    assert await round_of(post) == 1
                    clock.move(60)
                await round_of(post)
                assert [mail["To"] for mail in town.mail.mail] == ["both@example.kz"]
                found = await states(database)
                assert found["both", "dispatch"] == ("sent", 0, "")
                assert found["both", "mail"] == ("sent", 1, "")
                clock.move(60)
                assert await round_of(post) == 0
                assert (await states(database))["both", "sms"][0] == "cancelled"

    asyncio.run(main())


def test_mail_takes_over_at_once_when_the_smsc_does_not_know_the_number(database: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with town_of() as town, post_of(database, town, tmp_path, Clock()) as post:
            town.smsc.next = lambda _: 0x0B
            await commit(database, samples.telling(to="duty_officer"))
            assert [await round_of(post), await round_of(post), await round_of(post)] == [1, 1, 0]
            assert (await states(database))["both", "sms"] == ("failed", 1, "address_refused")
            assert len(town.mail.mail) == 1

    asyncio.run(main())


@pytest.mark.parametrize(("priority", "sms"), [(2, 2), (3, 1)])
def test_sms_without_an_answer_is_sent_again_only_when_it_is_urgent(
    database: str, tmp_path: Path, priority: int, sms: int
) -> None:
    async def main() -> None:
        clock = Clock()
        async with town_of() as town:
            quick = senders_of(msgspec.structs.replace(town.channels(), timeout_s=1.0), clock)
            async with post_of(database, town, tmp_path, clock, quick) as post:
                answers = [SILENT, 0]
                town.smsc.next = lambda _: answers.pop(0)
                await commit(database, samples.telling(to="person:sms", priority=priority))
                await round_of(post)
                clock.move(10)
                await round_of(post)
                assert len(town.smsc.submitted) == sms
                assert (await states(database))["sms", "sms"][0] == ("sent" if sms == 2 else "unknown")

    asyncio.run(main())


def test_nobody_to_tell_is_kept_and_told_later_when_somebody_asks_for_it(database: str, tmp_path: Path) -> None:
    async def main() -> None:
        clock = Clock()
        async with town_of() as town, post_of(database, town, tmp_path, clock) as post:
            await commit(database, samples.telling(to="chief"))
            assert await round_of(post) == 0
            connection = await connect(database, "test")
            (line,) = await read_outbox(connection, "incident/1", failed=True, limit=9)
            assert (line.state, [over.reason.value for over in line.passed_over]) == ("nobody", ["not_known"])
            file = tmp_path / "people.toml"
            file.write_text(file.read_text(encoding="utf-8").replace("duty_officer", "chief"), encoding="utf-8")
            assert await retry(connection, "incident/1", clock.now_us) == 1
            assert await round_of(post) == 1
            assert town.smsc.submitted[0].destination == "77010000002"
            await connection.close()

    asyncio.run(main())


def test_telling_that_comes_too_late_is_not_sent(database: str, tmp_path: Path) -> None:
    async def main() -> None:
        clock = Clock()
        async with town_of() as town, post_of(database, town, tmp_path, clock) as post:
            await commit(database, samples.telling(lives_s=60))
            clock.move(60)
            assert await round_of(post) == 0
            assert town.smsc.submitted == []
            connection = await connect(database, "test")
            assert await connection.fetchval("SELECT state FROM outbox") == "expired"
            await connection.close()

    asyncio.run(main())


def test_cancel_ends_what_was_acknowledged_meanwhile(database: str, tmp_path: Path) -> None:
    async def main() -> None:
        clock = Clock()
        async with town_of(Receiver(500)) as town, post_of(database, town, tmp_path, clock) as post:
            await commit(database, samples.telling(to="person:hook"))
            await round_of(post)
            assert await post.cancel("incident/1/accept/1") == 1
            clock.move(60)
            assert await round_of(post) == 0
            assert len(town.receiver.got) == 1

    asyncio.run(main())


def test_channel_without_a_server_fails_and_says_so(database: str, tmp_path: Path) -> None:
    async def main() -> None:
        clock = Clock()
        async with town_of() as town:
            mail_only = {Channel.MAIL: senders_of(town.channels(), clock)[Channel.MAIL]}
            async with post_of(database, town, tmp_path, clock, mail_only) as post:
                await commit(database, samples.telling(to="duty_officer"))
                assert [await round_of(post), await round_of(post)] == [1, 1]
                assert (await states(database))["both", "sms"] == ("failed", 1, "not_configured")
                assert len(town.mail.mail) == 1

    asyncio.run(main())


class Broken:
    """A channel with a bug."""

    async def send(self, address: str, message: Message, hand: Hand) -> str:
        raise ZeroDivisionError(address + message.short)

    async def close(self) -> None:
        return


def test_fault_of_our_own_costs_one_message_and_the_next_channel_takes_over(database: str, tmp_path: Path) -> None:
    async def main() -> None:
        clock = Clock()
        async with town_of() as town:
            senders: dict[Channel, Sender] = {**senders_of(town.channels(), clock), Channel.SMS: Broken()}
            async with post_of(database, town, tmp_path, clock, senders) as post:
                await commit(database, samples.telling(to="duty_officer"))
                assert [await round_of(post), await round_of(post)] == [1, 1]
                assert (await states(database))["both", "sms"] == ("failed", 1, "internal_fault")
                assert len(town.mail.mail) == 1

    asyncio.run(main())


def test_try_that_another_process_has_taken_over_is_not_handed_over(database: str, tmp_path: Path) -> None:
    async def main() -> None:
        clock = Clock()
        async with town_of() as town, post_of(database, town, tmp_path, clock) as post:
            await commit(database, samples.telling())
            claimed, _ = await post.prepare(dict.fromkeys(Channel, 16))
            other = Outbox(database)
            assert await other.reclaim(clock.now_us, others_are_dead=True) == 3
            await other.close()
            await asyncio.gather(*map(post.deliver, claimed))
            assert (town.receiver.got, town.mail.mail, town.smsc.submitted) == ([], [], [])

    asyncio.run(main())


def test_many_more_than_one_transaction_s_worth_are_all_told(database: str, tmp_path: Path) -> None:
    async def main() -> None:
        count = limits.RESOLVE_AT_ONCE + 10
        async with town_of() as town, post_of(database, town, tmp_path, Clock()) as post:
            await commit(database, *(samples.telling(f"k/{number}", to="person:sms") for number in range(count)))
            _, due_us = await post.prepare({})
            assert due_us == samples.NOW  # the rest at once
            while await round_of(post):
                pass
            assert len(town.smsc.submitted) == count

    asyncio.run(main())


def test_people_are_read_again_when_their_file_changes_and_stay_when_it_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "people.toml"

    def write(text: str, at_s: int) -> None:
        file.write_text(text, encoding="utf-8")
        os.utime(file, (at_s, at_s))

    one = '[[people]]\nid = "{}"\nroles = []\nchannels = []\n'
    write(one.format("aida"), 1)
    people = PeopleOfFile(file)
    write(one.format("bota"), 2)
    assert people.now().ids() == ["bota"]
    write("[[people]", 3)
    assert people.now().ids() == ["bota"]
    file.unlink()
    assert people.now().ids() == ["bota"]
    write(one.format("dana"), 4)
    assert people.now().ids() == ["dana"]
    assert len(PeopleOfFile(None).now()) == 0
    with pytest.raises(PeopleError):
        PeopleOfFile(tmp_path / "nowhere.toml")


def test_reply_of_a_slow_mail_server_is_in_doubt_and_the_mail_keeps_its_id(database: str, tmp_path: Path) -> None:
    async def main() -> None:
        clock = Clock()
        async with town_of(mail=MailServer(gone=True)) as town, post_of(database, town, tmp_path, clock) as post:
            await commit(database, samples.telling(to="person:mail"))
            for _ in range(2):
                assert await round_of(post) == 1
                clock.move(60)
            assert (await states(database))["mail", "mail"] == ("waiting", 2, "in_doubt")
            # The server had taken both, whatever became of its answer: whoever reads sees one message twice.
            assert len(town.mail.mail) == 2
            assert len({mail["Message-ID"] for mail in town.mail.mail}) == 1

    asyncio.run(main())


def test_next_due_is_the_end_of_the_pause(database: str, tmp_path: Path) -> None:
    async def main() -> None:
        clock = Clock()
        async with town_of(Receiver(500)) as town, post_of(database, town, tmp_path, clock) as post:
            assert await post.prepare({}) == ([], None)
            await commit(database, samples.telling(to="person:hook"))
            await round_of(post)
            claimed, due_us = await post.prepare({Channel.WEBHOOK: 1})
            assert claimed == [] and due_us is not None
            clock.now_us = Micros(due_us)
            assert await round_of(post) == 1

    asyncio.run(main())


def chief(folder: Path, duty: str = "") -> None:
    """Makes the file of people one with somebody who holds the role that nobody held."""
    file = folder / "people.toml"
    chief = f'[[people]]\nid = "chief"\nroles = ["chief"]\nchannels = ["sms:+77010000003"]\ntime_zone = "UTC"\n{duty}\n'
    file.write_text(file.read_text(encoding="utf-8") + chief, encoding="utf-8")


def test_somebody_is_looked_for_again_when_the_file_of_people_changes(database: str, tmp_path: Path) -> None:
    async def main() -> None:
        clock = Clock()
        async with town_of() as town, post_of(database, town, tmp_path, clock) as post:
            await commit(database, samples.telling("incident/1/crew/1", to="chief"), samples.telling("incident/1/crew/2"))
            assert await round_of(post) == 3
            assert await round_of(post) == 0
            chief(tmp_path)
            assert await round_of(post) == 1
            assert [one.destination for one in town.smsc.submitted][-1] == "77010000003"
            assert await round_of(post) == 0, "once"

    asyncio.run(main())


def test_somebody_is_looked_for_again_when_a_duty_begins_and_until_the_telling_expires(database: str, tmp_path: Path) -> None:
    async def main() -> None:
        clock = Clock()
        begins = to_datetime(Micros(clock.now_us + 600 * SECOND_US))
        async with town_of() as town:
            town_people = town.write_people(tmp_path)
            chief(tmp_path, f'duty = ["daily {begins:%H:%M}-{begins + timedelta(hours=8):%H:%M}"]')
            people = PeopleOfFile(town_people)
            post = Post(
                Outbox(database), people, MessageWriter(load_categories(), "x"), senders_of(town.channels(), clock), clock
            )
            soon = msgspec.structs.replace(
                samples.telling("incident/1/crew/1", to="chief"), expires_us=Micros(clock.now_us + 300 * SECOND_US)
            )
            later = msgspec.structs.replace(
                samples.telling("incident/1/crew/2", to="chief"), expires_us=Micros(clock.now_us + 1800 * SECOND_US)
            )
            await commit(database, soon, later)
            for _ in range(9):
                assert await round_of(post) == 0
                clock.move(60)
            clock.move(90)
            assert await round_of(post) == 1
            assert len(town.smsc.submitted) == 1
            clock.move(60)
            assert await round_of(post) == 0
            await post.close()

    asyncio.run(main())
