"""Timetables: shifts as instants, over midnight and over the days when the clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.instant import SECOND_US, to_datetime, to_micros
from core.timetable import DAYS, Checkpoint, Day, Shift, Timetable, fault_of, first_clash, windows

decode = msgspec.json.Decoder(Timetable).decode


def point(at: str, tolerance_s: int = 600) -> Checkpoint:
    return Checkpoint(name="bank", at=at, latitude_deg=43.25, longitude_deg=76.9, tolerance_s=tolerance_s)


def of(begins: str, ends: str, *days: Day, zone: str = "Asia/Almaty", points: tuple[Checkpoint, ...] = ()) -> Timetable:
    return Timetable(zone=zone, shifts=(Shift(days=days or DAYS, begins=begins, ends=ends, checkpoints=points),))


def local(timetable: Timetable, after: str, count: int = 1) -> list[str]:
    """The first windows after a UTC instant, as `Mon 04 20:00+05:00 – Tue 05 08:00+05:00`."""
    zone = ZoneInfo(timetable.zone)
    after_us = to_micros(datetime.fromisoformat(after).replace(tzinfo=UTC))

    def told(instant: int) -> str:
        return to_datetime(instant).astimezone(zone).strftime("%d %H:%M%z")

    return [f"{told(one.from_us)} – {told(one.until_us)}" for one in windows(timetable, after_us)[:count]]


@pytest.mark.parametrize(
    ("timetable", "after", "expected"),
    [
        # 2026-05-04 is a Monday; Almaty is UTC+5.
        (of("08:00", "20:00"), "2026-05-04 02:00", "04 08:00+0500 – 04 20:00+0500"),
        (of("08:00", "20:00"), "2026-05-04 14:59:59", "04 08:00+0500 – 04 20:00+0500"),
        (of("08:00", "20:00"), "2026-05-04 15:00", "05 08:00+0500 – 05 20:00+0500"),
        (of("08:00", "20:00", "mon"), "2026-05-04 15:00", "11 08:00+0500 – 11 20:00+0500"),
        # Over midnight a shift is the day's on which it begins.
        (of("20:00", "08:00", "mon"), "2026-05-04 20:00", "04 20:00+0500 – 05 08:00+0500"),
        (of("20:00", "08:00", "sun"), "2026-05-03 20:00", "03 20:00+0500 – 04 08:00+0500"),
        (of("00:00", "00:00", "mon"), "2026-05-04 10:00", "04 00:00+0500 – 05 00:00+0500"),
        # Almaty put its clocks back from UTC+6 to UTC+5 at midnight of 1 March 2024.
        (of("20:00", "08:00"), "2024-02-29 18:30", "29 20:00+0600 – 01 08:00+0500"),
        # Berlin, 29 March 2026: 02:00 is 03:00. A night is an hour shorter, what begins in the gap begins after it.
        (of("22:00", "06:00", zone="Europe/Berlin"), "2026-03-28 22:00", "28 22:00+0100 – 29 06:00+0200"),
        (of("02:30", "06:00", zone="Europe/Berlin"), "2026-03-29 00:00", "29 03:30+0200 – 29 06:00+0200"),
        (of("01:00", "02:30", zone="Europe/Berlin"), "2026-03-28 23:30", "29 01:00+0100 – 29 03:30+0200"),
        # A shift that the gap swallows does not take place.
        (of("02:30", "03:15", zone="Europe/Berlin"), "2026-03-29 00:00", "30 02:30+0200 – 30 03:15+0200"),
        # 25 October 2026: 02:00 to 03:00 comes twice, and means the first time.
        (of("22:00", "06:00", zone="Europe/Berlin"), "2026-10-24 22:00", "24 22:00+0200 – 25 06:00+0100"),
        (of("02:30", "06:00", zone="Europe/Berlin"), "2026-10-25 00:00", "25 02:30+0200 – 25 06:00+0100"),
    ],
)
def test_windows_when_a_shift_is_read_on_the_wall(timetable: Timetable, after: str, expected: str) -> None:
    assert local(timetable, after) == [expected]


def test_windows_when_the_clocks_change_are_as_long_as_the_night_is() -> None:
    night = of("22:00", "06:00", zone="Europe/Berlin")
    for day, hours in (("2026-03-28", 7), ("2026-10-24", 9), ("2026-05-04", 8)):
        window = windows(night, to_micros(datetime.fromisoformat(f"{day} 22:30+00:00")))[0]
        assert window.until_us - window.from_us == hours * 3600 * SECOND_US


def test_windows_when_there_are_several_shifts_are_in_order() -> None:
    timetable = Timetable(
        zone="Asia/Almaty",
        shifts=(Shift(days=("tue",), begins="20:00", ends="02:00"), Shift(days=("mon", "tue"), begins="08:00", ends="12:00")),
    )
    assert local(timetable, "2026-05-04 00:00", 4) == [
        "04 08:00+0500 – 04 12:00+0500",
        "05 08:00+0500 – 05 12:00+0500",
        "05 20:00+0500 – 06 02:00+0500",
        "11 08:00+0500 – 11 12:00+0500",
    ]


def test_checkpoints_when_a_shift_goes_over_midnight_are_of_its_night() -> None:
    night = of("20:00", "08:00", "mon", points=(point("20:05"), point("23:30"), point("07:00")))
    window = windows(night, to_micros(datetime(2026, 5, 4, 16, tzinfo=UTC)))[0]
    assert [f"{to_datetime(due.at_us) + timedelta(hours=5):%d %H:%M}" for due in window.checkpoints] == [
        "04 20:05",
        "04 23:30",
        "05 07:00",
    ]
    assert window.checkpoints[0].from_us == window.from_us  # in time is in the shift
    assert window.checkpoints[1].until_us - window.checkpoints[1].from_us == 2 * 600 * SECOND_US


SHIFTS = st.builds(
    of,
    st.times().map(lambda time: time.strftime("%H:%M")),
    st.times().map(lambda time: time.strftime("%H:%M")),
    st.sampled_from(DAYS),
    st.sampled_from(DAYS),
    zone=st.sampled_from(["Asia/Almaty", "Europe/Berlin", "America/New_York", "Pacific/Kiritimati", "UTC"]),
)


@given(SHIFTS, st.integers(1_672_531_200, 1_798_761_600).map(lambda seconds: seconds * SECOND_US))  # 2023 to 2026
def test_windows_when_of_any_shift_end_later_than_asked_and_do_not_overlap(timetable: Timetable, after_us: int) -> None:
    found = windows(timetable, after_us)
    assert found
    assert found[0].until_us > after_us
    assert found[0].from_us <= after_us + 8 * 24 * 3600 * SECOND_US
    for window in found:
        zone = ZoneInfo(timetable.zone)
        assert 0 < window.until_us - window.from_us <= 25 * 3600 * SECOND_US
        began = to_datetime(window.from_us).astimezone(zone)
        assert DAYS[began.weekday()] in timetable.shifts[0].days
    # Nothing between two windows is missed: asked at a window's end, the next one comes.
    for window, following in pairwise(found):
        assert windows(timetable, window.until_us)[0] == following or following.from_us < window.until_us


@pytest.mark.parametrize(
    ("timetable", "field", "words"),
    [
        (of("08:00", "20:00", zone="Asia/Alma-Ata-2"), "zone", "no time zone"),
        (of("08:00", "20:00", zone="../etc/passwd"), "zone", "no time zone"),
        (of("08:00", "20:00", zone="America"), "zone", "no time zone"),
        (of("08:00", "20:00", "mon", "mon"), "shifts[0].days", "twice"),
        (of("08:00", "20:00", points=(point("20:01"),)), "shifts[0].checkpoints[0].at", "between from 08:00 and until 20:00"),
        (of("08:00", "20:00", points=(point("09:00"), point("09:20"))), "shifts[0].checkpoints[1].at", "tolerances"),
        (of("08:00", "20:00", points=(point("09:00"), point("08:30"))), "shifts[0].checkpoints[1].at", "after"),
        (
            Timetable(zone="UTC", shifts=(*of("20:00", "08:00", "sun").shifts, *of("07:00", "09:00", "mon").shifts)),
            "shifts",
            "a shift at mon 07:00",
        ),
    ],
)
def test_fault_of_when_a_timetable_is_wrong_names_the_field(timetable: Timetable, field: str, words: str) -> None:
    fault = fault_of(timetable)
    assert fault is not None
    assert fault[0] == field
    assert words in fault[1]


@pytest.mark.parametrize(
    "timetable",
    [
        of("08:00", "20:00"),
        of("00:00", "00:00"),
        of("20:00", "08:00"),
        of("08:00", "20:00", points=(point("08:00"), point("08:21"), point("20:00"))),
        of("20:00", "08:00", points=(point("23:50"), point("00:30"))),
    ],
)
def test_fault_of_when_a_timetable_is_good_is_none(timetable: Timetable) -> None:
    assert fault_of(timetable) is None


def test_first_clash_when_two_timetables_meet_names_them_and_when() -> None:
    assert first_clash([of("08:00", "12:00"), of("12:00", "16:00")]) is None
    assert first_clash([of("08:00", "12:00", "tue"), of("11:59", "16:00", "tue")]) == (0, 1, "tue 11:59")
    assert first_clash([of("07:00", "12:00", "mon"), of("22:00", "08:00", "sun")]) == (1, 0, "mon 07:00")


@pytest.mark.parametrize(
    "text",
    [
        '{"zone": "UTC", "shifts": []}',
        '{"zone": "UTC", "shifts": [{"days": [], "from": "08:00", "until": "20:00"}]}',
        '{"zone": "UTC", "shifts": [{"days": ["mon"], "from": "8:00", "until": "20:00"}]}',
        '{"zone": "UTC", "shifts": [{"days": ["mon"], "from": "08:00", "until": "24:00"}]}',
        '{"zone": "UTC", "shifts": [{"days": ["monday"], "from": "08:00", "until": "20:00"}]}',
        '{"zone": "UTC", "shifts": [{"days": ["mon"], "from": "08:00", "until": "20:00", "brake": 1}]}',
    ],
)
def test_decoding_when_a_field_is_wrong_is_refused(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        decode(text)


def test_decoding_when_a_timetable_was_encoded_gives_it_back() -> None:
    timetable = of("20:00", "08:00", "mon", points=(point("23:00"),))
    assert b'"from":"20:00"' in msgspec.json.encode(timetable)
    assert decode(msgspec.json.encode(timetable)) == timetable
