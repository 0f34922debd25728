"""The file of people: what a duty officer writes is read, and what is wrong is named with its line, person and field."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.people import Absence, Duty, Hours, Way
from core.people_file import PeopleError, load_people, read_people
from core.telling import Channel, Role

SOUND = 'id = "aida"\nroles = ["shift_lead"]\nchannels = ["sms:+77010000001"]\n'


def faults(body: str) -> list[str]:
    with pytest.raises(PeopleError) as raised:
        read_people(body, "people.toml")
    return raised.value.lines


def test_example_shipped_is_good_and_shows_every_field() -> None:
    file = Path(__file__).parents[2] / "ops/examples/people.toml"
    people = load_people(file)
    assert people.ids() == ["aida", "daniyar", "officer"]
    aida, daniyar, officer = (people.get(each) for each in people.ids())
    assert aida is not None and daniyar is not None and officer is not None
    assert aida.ways == (
        Way(Channel.DISPATCH, ""),
        Way(Channel.SMS, "+77010000001"),
        Way(Channel.MAIL, "aida@example.kz"),
    )
    assert aida.languages == ("kk", "ru") and aida.territories == {"kz/almaty"} and str(aida.zone) == "Asia/Almaty"
    assert daniyar.duty == (
        Duty(Hours(1200, 480), weekdays=frozenset(range(5))),
        Duty(Hours(1200, 480), weekdays=frozenset({5, 6})),
        Duty(Hours(480, 1200), first=date(2026, 5, 9), last=date(2026, 5, 9)),
    )
    assert daniyar.absent == (Absence(date(2026, 7, 1), date(2026, 7, 14)),)
    assert officer.roles == {Role.DUTY_OFFICER, Role.CHIEF} and officer.quiet == (Hours(1380, 360),)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('id = "a/b"', "person 'a/b': id = 'a/b': must be 1 to 64 letters"),
        ('roles = ["shift_laed"]', "person 'aida': roles = 'shift_laed': must be one of dispatcher, shift_lead"),
        ('roles = "shift_lead"', "roles = 'shift_lead': must be a list of at most 64"),
        ('roels = ["shift_lead"]', "roels: unknown field; did you mean roles?"),
        ('territories = ["kz//almaty"]', "territories = 'kz//almaty': must be a path such as kz/almaty"),
        ('languages = ["de"]', "languages = 'de': must be one of kk, ru, en"),
        ('channels = ["fax:1"]', "channels = 'fax:1': must be CHANNEL:ADDRESS with one of dispatch, webhook, mail, sms"),
        ('channels = ["sms:87010000001"]', "must be a number in E.164"),
        ('channels = ["mail:aida"]', "must be a mail address"),
        ('channels = ["mail:a@b\\nBcc: c@d"]', "must be a mail address"),
        ('channels = ["webhook:ftp://h/p"]', "must be a URL"),
        ('channels = ["dispatch:x"]', "must be dispatch alone"),
        ('channels = ["sms:+77010000001", "sms:+77010000002"]', "each channel once; sms stands there twice"),
        ('time_zone = "Asia/Almati"', "time_zone = 'Asia/Almati': must be a time zone such as Asia/Almaty"),
        ('time_zone = "../../etc/passwd"', "must be a time zone such as Asia/Almaty"),
        ('duty = ["mo-fr 08:00-20:00"]', "duty = 'mo-fr 08:00-20:00': must be such as mon-fri 08:00-20:00"),
        ('duty = ["mon-fri 08:00-25:00"]', "must be such as mon-fri 08:00-20:00"),
        ('duty = ["2026-02-30 08:00-20:00"]', "must be such as mon-fri 08:00-20:00"),
        ('absent = ["2026-07-14..2026-07-01"]', "absent = '2026-07-14..2026-07-01': must be a date or two"),
        ('quiet = ["22:00-22:00"]', "quiet = '22:00-22:00': must be hours such as 08:00-20:00"),
        ("quiet_priority = 10", "quiet_priority = 10: must be a whole number from 0 to 9"),
        ('name = ""', "name = '': must be 1 to 128 characters"),
    ],
)
def test_fault_names_line_person_field_value_and_what_is_allowed(line: str, said: str) -> None:
    field = line.partition(" ")[0]
    kept = [each for each in SOUND.splitlines() if not each.startswith(f"{field} ")]
    (fault, *others) = faults("\n".join(["# comment", "[[people]]", *kept, line, ""]))
    number = 3 + len(kept)
    assert fault.startswith(f"people.toml, line {number}: person ")
    assert said in fault
    assert others == []


def test_all_faults_are_told_at_once_each_with_its_own_line() -> None:
    told = faults(f'[[people]]\n{SOUND}\n[[people]]\nid = "bota"\nroles = ["x"]\nquiet_priority = -1\n')
    assert [fault.partition(": person")[0] for fault in told] == [
        "people.toml, line 8",
        "people.toml, line 6",
        "people.toml, line 9",
    ]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("[[people]", "people.toml: is not TOML"),
        ("[people]", "people: must be tables: [[people]]"),
        ('timezone = "UTC"', "timezone: unknown key; known: time_zone, people"),
        ('time_zone = "Mars"', "people.toml: time_zone = 'Mars': must be a time zone"),
        ('[[people]]\nid = "a"\nroles = []', "line 1: person 'a': channels: is missing"),
        (f"[[people]]\n{SOUND}[[people]]\n{SOUND}", "line 6: person 'aida': id: has an entry already"),
        ('people = [{id = "a", roles = [], channels = ["x"]}]', "people.toml: person 'a': channels = 'x'"),
    ],
)
def test_fault_of_the_file_is_one_line(body: str, said: str) -> None:
    assert [said in fault for fault in faults(body)] == [True]


def test_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PeopleError, match=r"nowhere\.toml: cannot be read"):
        load_people(tmp_path / "nowhere.toml")


@given(st.sampled_from(["duty", "absent", "quiet", "channels"]), st.text(max_size=24))
def test_any_text_is_read_or_named_and_nothing_else(field: str, text: str) -> None:
    quoted = text.encode("unicode_escape").decode("ascii").replace('"', '\\"')
    body = "".join(line for line in SOUND.splitlines(keepends=True) if not line.startswith(field))
    try:
        read_people(f'[[people]]\n{body}{field} = ["{quoted}"]\n', "people.toml")
    except PeopleError as error:
        assert error.lines
