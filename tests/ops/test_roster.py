"""The roster by the command line, on a real database, as a duty officer uses it."""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path

import msgspec
import pytest

from core.decisions import CrewChange
from core.instant import Micros
from core.roster.handover import decode_act
from core.vocabulary import CrewId, CrewState
from ops.cli import main
from storage import embedded
from storage.writer import Writer
from tests.core.roster.samples import at
from tests.database import CHEAP
from tests.ops.test_registers import fetch
from tests.ops.test_storage import store_incident
from tests.storage import samples

PROJECT = Path(__file__).parents[2]
POSTS = "Вид;Название;Территория\nпост;Арбат;kz/almaty/medeu\nмаршрут;Маршрут 5;kz/almaty/almaly\n"
DUTY = """Дата;Позывной;с;по;Пост;Маршрут;Назначение;Машина;Личный номер;ФИО;Звание
27.11.2024;A-1;08:00;20:00;Арбат;;patrol;123ABC02;17;Ахметов А.;капитан
27.11.2024;A-1;08:00;20:00;;;;;18;Иванов И.;сержант
27.11.2024;A-2;20:00;08:00;;маршрут 5;patrol;456DEF02;19;Серік Б.;
"""
A1_LINE = "A-1  08:00–20:00; Арбат (kz/almaty/medeu); капитан Ахметов А. № 17, сержант Иванов И. № 18; 123ABC02; patrol"
DAY_US = 86_400_000_000
TWO_YEARS_US = (365 + 365) * DAY_US


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    posts, duty = tmp_path / "posts.csv", tmp_path / "duty.csv"
    posts.write_text(POSTS, encoding="utf-8-sig")
    duty.write_text(DUTY, encoding="utf-8")
    return str(posts), str(duty)


def roster(database: str, command: str, *arguments: str) -> int:
    return main(["roster", command, *arguments, "--dsn", database])


def serve(database: str, *states: tuple[str, float, CrewState]) -> None:
    """Commits what crews did, in hours after midnight of 27 November 2024."""

    async def run() -> None:
        writer = Writer(database, 0)
        for number, (crew, hour, state) in enumerate(states, 1):
            at_us = Micros(at(hour) - TWO_YEARS_US)
            change = CrewChange(CrewId(crew), state, "kz/almaty", None, at_us, b"{}")
            await writer.commit(samples.batch(number, crews=[change], now_us=at_us))
        await writer.close()

    asyncio.run(run())


def test_import_takes_posts_and_shifts_together_and_says_what_it_did(
    database: str, files: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert roster(database, "import", *files, "--by", "aida", "--reason", "приказ 12") == 0
    assert capsys.readouterr().out == (
        "roster: revision 1: 2 shifts and 2 posts and routes new or changed, 0 shifts withdrawn;"
        " 2 shifts and 2 posts and routes in posts.csv, duty.csv\n"
    )
    assert fetch(database, "SELECT actor, kind, reason, source_name FROM roster_revision") == [
        ("aida", "import", "приказ 12", "posts.csv, duty.csv")
    ]
    assert fetch(database, "SELECT crew_id, post, route, territory FROM roster_shift ORDER BY crew_id") == [
        ("A-1", "Арбат", "", "kz/almaty/medeu"),
        ("A-2", "", "Маршрут 5", "kz/almaty/almaly"),
    ]
    assert roster(database, "import", *files) == 0
    assert "roster: nothing changes: 0 shifts" in capsys.readouterr().out
    assert fetch(database, "SELECT count(*) FROM roster_revision") == [(1,)]


def test_import_with_one_wrong_row_changes_nothing_and_names_every_wrong_one(
    database: str, files: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "wrong.csv"
    wrong.write_text(
        DUTY + "27.11.2024;A-3;8 утра;20:00;Арбат;;;;;;\n27.11.2024;A-4;08:00;20:00;Нигде;;;;17;Ахметов А.;\n", encoding="utf-8"
    )
    assert roster(database, "import", files[0], str(wrong)) == 1
    written = capsys.readouterr()
    assert written.out == ""
    lines = written.err.splitlines()
    assert lines[0].startswith("wrong.csv: row 5: from = '8 утра': must be")
    assert lines[1] == "wrong.csv: row 6: post = 'Нигде': must be a known post: Арбат"
    assert lines[2] == "jedel: roster: nothing was changed: 2 errors"
    assert fetch(database, "SELECT count(*) FROM roster_revision") == [(0,)]


def test_import_tells_a_bounded_number_of_errors(database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("crew,from,until\n" + "A-1,x,y\n" * 300, encoding="utf-8")
    assert roster(database, "import", str(wrong)) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 202
    assert lines[-2:] == ["… and 100 more", "jedel: roster: nothing was changed: 300 errors"]


def test_import_check_and_mode_say_and_do_what_they_are_named(
    database: str, files: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert roster(database, "import", *files, "--check") == 0
    assert "checked, nothing changed yet: 2 shifts" in capsys.readouterr().out
    assert fetch(database, "SELECT count(*) FROM roster_revision") == [(0,)]
    roster(database, "import", *files)
    other = tmp_path / "other.csv"
    other.write_text("day;crew;from;until;territory\n2024-11-27;B-1;08:00;20:00;kz/almaty/medeu\n", encoding="utf-8")
    assert roster(database, "import", str(other)) == 0
    assert "0 shifts withdrawn" in capsys.readouterr().out
    assert roster(database, "import", str(other), "--mode", "replace") == 0
    assert "revision 3: 0 shifts and 0 posts and routes new or changed, 1 shifts withdrawn" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("duty.csv", b"crew;from\n", "duty.csv: no roster in it"),
        ("duty.csv", "Позывной\n".encode("cp1251"), "jedel: duty.csv: line 1: is not UTF-8 text"),
        ("duty.xlsx", b"PK\x03\x04", "jedel: duty.xlsx: is not an XLSX workbook"),
    ],
)
def test_file_that_is_no_roster_fails_in_one_line(
    database: str, tmp_path: Path, name: str, data: bytes, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(data)
    assert roster(database, "import", str(tmp_path / name)) == 1
    *_, line = [one for one in capsys.readouterr().err.splitlines() if "nothing was changed" not in one]
    assert line.startswith(said)


@pytest.mark.parametrize("language", ["kk", "ru", "en"])
def test_export_imported_into_an_empty_centre_and_into_itself_is_the_same_roster(
    database: str, files: tuple[str, str], tmp_path: Path, language: str, capsys: pytest.CaptureFixture[str]
) -> None:
    roster(database, "import", *files)
    book, shifts, posts = (str(tmp_path / name) for name in ("out.xlsx", "shifts.csv", "posts-out.csv"))
    assert roster(database, "export", book, "--language", language) == 0
    assert roster(database, "export", shifts, "--language", language) == 0
    assert roster(database, "export", posts, "--table", "posts", "--language", language) == 0
    for sources in ((book,), (posts, shifts)):
        capsys.readouterr()
        assert roster(database, "import", *sources, "--mode", "replace") == 0
        assert "nothing changes" in capsys.readouterr().out


def test_export_of_days_and_of_an_earlier_plan(
    database: str, files: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    roster(database, "import", *files)
    counts = []
    for flags in (["--from", "28.11.2024"], ["--until", "2024-11-26"], ["--as-of", "2024-01-01T00:00"], []):
        capsys.readouterr()
        assert roster(database, "export", str(tmp_path / "out.csv"), *flags) == 0
        counts.append(capsys.readouterr().out.split()[1])
    assert counts == ["1", "0", "0", "2"]


def test_show_has_the_fact_beside_the_plan(database: str, files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    roster(database, "import", *files)
    serve(database, ("A-1", 8.5, CrewState.FREE), ("B-9", 9, CrewState.BUSY), ("A-1", 12, CrewState.OUT_OF_SERVICE))
    capsys.readouterr()
    assert roster(database, "show", "--at", "2024-11-27T10:00+05:00", "--language", "ru") == 0
    assert capsys.readouterr().out.splitlines() == [
        "Постовая ведомость, 2024-11-27 10:00+05:00",
        f"{A1_LINE} | свободен с 08:30",
        "На службе вне плана:",
        "B-9  kz/almaty | занят с 09:00",
    ]
    assert roster(database, "show", "--at", "2024-11-28 07:59", "--territory", "kz/almaty/almaly", "--language", "en") == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "A-2  27.11 20:00–08:00; Маршрут 5 (kz/almaty/almaly); Серік Б. № 19; 456DEF02; patrol | never heard of"
    ]


def test_compare_holds_a_day_s_plan_against_the_fact(
    database: str, files: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    roster(database, "import", *files)
    serve(
        database,
        ("A-1", 8.5, CrewState.FREE),
        ("B-9", 9, CrewState.BUSY),
        ("B-9", 10, CrewState.OFF_DUTY),
        ("A-1", 19, CrewState.OFF_DUTY),
    )
    capsys.readouterr()
    assert roster(database, "compare", "--day", "2024-11-27", "--language", "en") == 1
    assert capsys.readouterr().out.splitlines()[1:] == [
        "A-1  late start: 08:00–08:30 (30 min); planned 08:00–20:00",
        "B-9  on duty and not planned: 09:00–10:00 (60 min)",
        "A-1  early end: 19:00–20:00 (60 min); planned 08:00–20:00",
        "A-2  planned and not on duty: 20:00–28.11 08:00 (720 min); planned 20:00–28.11 08:00",
    ]
    assert roster(database, "compare", "--day", "2024-11-27", "--tolerance-s", "86400") == 0


def test_who_was_where_over_a_change_in_the_middle_of_a_shift(
    database: str, files: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    roster(database, "import", *files, "--by", "aida")
    serve(database, ("A-1", 8, CrewState.FREE), ("A-1", 20, CrewState.OFF_DUTY))
    change = ["A-1", "--at", "2024-11-27T14:00", "--reason", "авария", "--route", "Маршрут 5", "--vehicles", "777"]
    assert roster(database, "change", *change, "--leave", "18", "--join", "Жаңа Қ.;20;;стажёр", "--by", "bek") == 0
    assert "revision 2: crew A-1 changed from 2024-11-27 14:00+05:00 on" in capsys.readouterr().out

    for asked in ("а-1", "17", "ахметов"):
        assert roster(database, "who", asked, "--day", "2024-11-27", "--language", "ru") == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[:6] == [
            "план:",
            A1_LINE.replace("20:00", "14:00"),
            "A-1  14:00–20:00; Маршрут 5 (kz/almaty/medeu); капитан Ахметов А. № 17, Жаңа Қ. № 20 (стажёр); 777; patrol",
            "факт:",
            "08:00  A-1  свободен",
            "20:00  A-1  не на службе",
        ]
        assert lines[6] == "Изменения ведомости:"
        assert [line.partition(", 20")[0] for line in lines[7:]] == [
            "A-1  08:00–20:00, загружено",
            "A-1  08:00–14:00, изменено",
            "A-1  14:00–20:00, изменено",
        ]
        assert all(line.endswith("bek, авария") for line in lines[8:])
    # Who left is in the first part alone, and the plan as it was before the change is there still.
    assert roster(database, "who", "18", "--day", "2024-11-27") == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("A-1  08:00–14:00")
    assert roster(database, "who", "C-3", "--day", "2024-11-27") == 1
    assert "nothing is known of 'C-3' on 2024-11-27" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["A-1", "--at", "2024-11-27T21:00", "--vehicles", "1"], "jedel: crew A-1 has no shift at 2024-11-27 21:00+05:00"),
        (["A-1", "--at", "2024-11-27T14:00", "--post", "Нигде"], "crew A-1: post = 'Нигде': must be a known post: Арбат"),
        (["A-1", "--at", "2024-11-27T14:00"], "jedel: nothing changes"),
    ],
)
def test_change_that_cannot_be_made_changes_nothing(
    database: str, files: tuple[str, str], arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    roster(database, "import", *files)
    assert roster(database, "change", *arguments, "--reason", "x") == 1
    assert capsys.readouterr().err.startswith(said)
    assert fetch(database, "SELECT count(*) FROM roster_revision") == [(1,)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "--at", "noon"], "--at noon: must be a time"),
        (["compare", "--day", "yesterday"], "--day yesterday: must be a day"),
        (["who", "A-1", "--day", "2024-02-30"], "--day 2024-02-30: must be a day"),
        (["export", "roster.txt"], "roster.txt: must end in .csv or .xlsx"),
        (
            ["show", "--set", "centre.time_zone=Almaty"],
            "--set centre.time_zone = 'Almaty': must be a time zone",
        ),
        (["change", "A-1", "--at", "2024-11-27T14:00", "--reason", "x", "--join", ";7"], "--join ;7: must be NAME;BADGE"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(
    database: str, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert roster(database, *arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"jedel: {said}")


def test_time_zone_of_the_centre_reads_and_shows_local_times(
    database: str, files: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    zone = ["--set", "centre.time_zone=Europe/Berlin"]
    roster(database, "import", *files, *zone)
    capsys.readouterr()
    assert roster(database, "show", "--at", "2024-11-27T12:00+05:00", *zone) == 0
    written = capsys.readouterr().out.splitlines()
    assert written[0].endswith("2024-11-27 08:00+01:00")
    assert written[1].startswith("A-1  08:00–20:00")


def test_handover_is_written_kept_and_shown_again(
    database: str, files: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    store_incident(database)
    handed = ["--territory", "kz", "--from", "Ахметов А.", "--to", "Серік", "--by", "aida"]
    assert roster(database, "handover", *handed, "--language", "ru") == 0
    written = capsys.readouterr()
    assert "the roster of these days has not one person 'Серік': taken as written" in written.err
    lines = written.out.splitlines()
    assert lines[0].startswith("Акт приёма-передачи смены № 1, ")
    assert lines[2:6] == ["Сдал: Ахметов А.", "Принял: Серік", "", "Открытые происшествия: 1"]
    assert "№ 1, fire, приоритет 1, открыто, kz/almaty, ответственный: centre" in lines[6]
    assert "пересмотр происшествия, просрочено: " in lines[7]

    assert roster(database, "act", "1", "--format", "json") == 0
    act = decode_act(capsys.readouterr().out.encode())
    assert [(one.incident_id, one.owner, [term.kind for term in one.terms]) for one in act.incidents] == [
        (1, "centre", ["review"])
    ]
    assert roster(database, "act", "1", "--language", "kk") == 0
    assert capsys.readouterr().out.startswith("Ауысымды қабылдау-тапсыру актісі № 1, ")
    assert roster(database, "act", "2") == 1
    assert capsys.readouterr().err == "jedel: there is no act of handover 2\n"
    stored = fetch(database, "SELECT from_person, to_person, actor, act::text FROM roster_handover")
    assert [row[:3] for row in stored] == [("Ахметов А.", "Серік", "aida")]
    assert msgspec.json.decode(str(stored[0][3]))["incident_count"] == 1


def test_ten_minutes_of_the_readme_go_as_they_are_told(
    database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    section = (PROJECT / "README.md").read_text(encoding="utf-8").split("## A roster in ten minutes")[1].split("\n## ")[0]
    assert (PROJECT / "ops/examples/duty.csv").read_text(encoding="utf-8") in section
    lines = [line for line in section.splitlines() if line.startswith(".venv/bin/jedel roster ")]
    places = {"ops/examples/": f"{PROJECT}/ops/examples/", "roster.xlsx": str(tmp_path / "roster.xlsx")}
    for line in lines:
        for told, here in places.items():
            line = line.replace(told, here)
        command = shlex.split(line, comments=True)[1:]
        # Whether the example's day is over, and so was not as planned, is for the clock to say.
        assert main([*command, "--dsn", database]) in ((0, 1) if "compare" in command else (0,)), line
    assert len(lines) == 9
    assert (tmp_path / "roster.xlsx").stat().st_size > 0
    assert "A-1  14:00–20:00" in capsys.readouterr().out


@pytest.mark.end_to_end
def test_commands_work_beside_a_running_service(
    tmp_path: Path, files: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    data_dir = tmp_path / "data"
    service = embedded.start(data_dir, CHEAP)
    try:
        assert main(["roster", "import", *files, "--data-dir", str(data_dir)]) == 0
        assert main(["roster", "show", "--at", "2024-11-27T10:00", "--data-dir", str(data_dir)]) == 0
        assert "A-1  08:00–20:00" in capsys.readouterr().out
        assert fetch(service.dsn, "SELECT count(*) FROM roster_shift") == [(2,)]
    finally:
        stopped = service.stop()
    assert stopped
