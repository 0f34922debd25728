"""`jedel outbox` on a real database and real servers: who was told, once more, no more, and a test message."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from ops.cli import main
from tests.adapters.smsc import PASSWORD
from tests.ops.telling_world import SECRET, Clock, Town, commit, post_of, round_of, town_of
from tests.storage import samples


def told(database: str, folder: Path) -> None:
    """Commits three tellings: of one both were told by the second channel, of one nobody was, and one waits."""

    async def run() -> None:
        async with town_of() as town, post_of(database, town, folder, Clock()) as post:
            town.smsc.next = lambda _: 0x0B
            await commit(database, samples.telling("incident/1/crew", to="duty_officer"))
            await commit(database, samples.telling("incident/2/crew", to="chief"))
            while await round_of(post):
                pass
            await commit(database, samples.telling("incident/3/crew"))

    asyncio.run(run())


def test_show_says_who_was_told_and_who_was_not(database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told(database, tmp_path)
    capsys.readouterr()  # the log
    assert main(["outbox", "show", "--dsn", database]) == 0
    about = "accept_passed to {} kz/almaty/medeu, priority 2, 2024-05-01 10:00:00 UTC"
    assert capsys.readouterr().out.splitlines() == [
        f"incident/1/crew resolved: {about.format('duty_officer')}",
        "    both dispatch sent",
        "    both sms failed, tries 1, address_refused 0x0000000B Invalid Destination Address",
        "    both mail sent, tries 1, receipt kept as 4711",
        f"incident/2/crew nobody: {about.format('chief')}",
        "    not anybody (kz/almaty/medeu): not_known",
        f"incident/3/crew waiting: {about.format('shift_lead')}",
    ]
    assert main(["outbox", "show", "incident/2", "--dsn", database]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert main(["outbox", "show", "--failed", "--limit", "9", "--dsn", database]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines() if line[0] != " "] == [
        "incident/1/crew",
        "incident/2/crew",
    ]


def test_retry_and_cancel_say_how_many_and_status_1_when_there_is_nothing(
    database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told(database, tmp_path)
    capsys.readouterr()  # the log
    for words, status, said in (
        (["retry", "incident/1"], 0, "1 to be tried again"),
        (["retry", "incident/2/crew"], 0, "1 to be tried again"),
        (["retry", "incident/2"], 1, "0 to be tried again"),
        (["cancel", "incident/1/"], 0, "1 ended"),
        (["cancel", "incident"], 0, "2 ended"),
        (["cancel", "incident"], 1, "0 ended"),
    ):
        assert main(["outbox", *words, "--dsn", database]) == status, words
        assert capsys.readouterr().out == f"outbox: {said}\n"


def configured(town: Town, folder: Path) -> Path:
    file = folder / "jedel.toml"
    channels = town.channels()
    file.write_text(
        f'[centre]\npeople = "{town.write_people(folder)}"\n[channels]\nwebhook_secret = "{SECRET}"\n'
        f'mail_server = "{channels.mail_server}"\nmail_security = "none"\nmail_from = "a@example.kz"\n'
        f'sms_server = "{channels.sms_server}"\nsms_system_id = "jedel"\nsms_password = "{PASSWORD}"\nsms_from = "JEDEL"\n',
        encoding="utf-8",
    )
    return file


def with_town(body: Callable[[Town], Awaitable[None]]) -> None:
    async def run() -> None:
        async with town_of() as town:
            await body(town)

    asyncio.run(run())


def test_test_sends_by_every_channel_of_the_person_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def body(town: Town) -> None:
        file = str(configured(town, tmp_path))
        assert await asyncio.to_thread(main, ["outbox", "test", "both", "--config", file]) == 0
        assert capsys.readouterr().out.splitlines() == [
            "both dispatch: told by the dispatch client's own notices",
            "both sms: sent (id-1)",
            "both mail: sent (kept as 4711)",
        ]
        assert town.smsc.submitted[0].text == "Проверка связи: both"
        assert town.mail.mail[0]["Subject"] == "Проверка связи"
        town.smsc.next = lambda _: 0x0B
        assert await asyncio.to_thread(main, ["outbox", "test", "both", "--config", file]) == 1
        assert "both sms: address_refused: 0x0000000B" in capsys.readouterr().out

    with_town(body)


def test_test_names_what_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def body(town: Town) -> None:
        file = str(configured(town, tmp_path))
        assert await asyncio.to_thread(main, ["outbox", "test", "nobody", "--config", file]) == 1
        assert "people.toml: there is no person nobody" in capsys.readouterr().err
        none = ["--config", file, "--set", "channels.sms_server="]
        assert await asyncio.to_thread(main, ["outbox", "test", "sms", *none]) == 1
        assert capsys.readouterr().out == "sms sms: not_configured: section channels names no server\n"
        people = tmp_path / "people.toml"
        people.write_text('[[people]]\nid = "a"\nroles = ["x"]\nchannels = []\nname = 1\n', encoding="utf-8")
        assert await asyncio.to_thread(main, ["outbox", "test", "a", "--config", file]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"jedel: {people}, line 5: person 'a': name = 1: must be") and "and 1 more faults" in line

    with_town(body)


def test_config_show_hides_the_channels_secrets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "jedel.toml"
    file.write_text(
        '[channels]\nwebhook_secret = "hidden"\nmail_server = "h:25"\nmail_from = "a@b"\nmail_user = "u"\n'
        'mail_password = "hidden"\nsms_server = "h:2775"\nsms_system_id = "i"\nsms_from = "J"\nsms_password = "hidden"\n'
    )
    assert main(["config", "show", "--config", str(file)]) == 0
    shown = capsys.readouterr().out
    assert "hidden" not in shown
    assert [f'{key} = "***"' in shown for key in ("webhook_secret", "mail_password", "sms_password")] == [True] * 3
    assert main(["config", "show", "--config", str(file), "--set", f"channels.sms_password={'hidden' * 2}"]) == 2
    assert "hidden" not in capsys.readouterr().err
