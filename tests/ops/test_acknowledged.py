"""How late events were acknowledged, by their urgency: each event by its own kind, whatever came in the same read."""

from __future__ import annotations

import pytest

from core.decisions import Taken
from core.events import URGENT, Alarm, AnyEvent, Call, CallUpdate, CrewStatus, PlateRead, Position, Rejected, SensorReading
from core.instant import to_datetime
from core.vocabulary import RejectCode
from ops.acknowledged import Acknowledged, Urgency
from tests.core.town import START_US, chunk

AT = to_datetime(START_US)
CALL = Call(seq=1, at=AT)
UPDATE = CallUpdate(seq=1, at=AT, call_id="c")
ALARM = Alarm(seq=1, at=AT, device="d", alarm="fire")
STATUS = CrewStatus(seq=1, at=AT, crew="P-1", status="free")
PLATE = PlateRead(seq=1, at=AT, camera="c", plate="1")
SENSOR = SensorReading(seq=1, at=AT, device="d", quantity="temperature_c", value=20.0)
POSITION = Position(seq=1, at=AT, crew="P-1", latitude_deg=43.2, longitude_deg=76.9)
UNREADABLE = Rejected(1, RejectCode.INVALID_FIELD, "$.at", "is wrong")


@pytest.mark.parametrize(
    ("items", "skip", "expected"),
    [
        ((CALL,), 0, (1, 0, 0)),
        ((CALL, UPDATE, UPDATE), 0, (3, 0, 0)),
        ((ALARM, STATUS), 0, (0, 2, 0)),
        ((PLATE, SENSOR, POSITION), 0, (0, 0, 3)),
        ((*[SENSOR] * 500, ALARM, CALL, *[PLATE] * 500), 0, (1, 1, 1_000)),
        # What was taken before is not counted again, the urgent one that makes the chunk urgent neither.
        ((CALL, PLATE, STATUS, PLATE), 1, (0, 1, 2)),
        ((CALL, ALARM), 2, (0, 0, 0)),
        # Of what could not be read nobody knows what it was.
        ((UNREADABLE, CALL), 0, (1, 0, 1)),
        ((UNREADABLE,), 0, (0, 0, 1)),
    ],
)
def test_each_event_counts_by_its_own_kind(
    items: tuple[AnyEvent | Rejected, ...], skip: int, expected: tuple[int, int, int]
) -> None:
    acknowledged = Acknowledged()
    acknowledged.count(Taken(chunk("s", *items), skip, {}, {}), 0.2)
    assert tuple(sum(buckets.counts) for buckets in acknowledged.buckets.values()) == expected
    assert [buckets.total for buckets in acknowledged.buckets.values()] == pytest.approx([0.2 * count for count in expected])


@pytest.mark.parametrize("event", [CALL, UPDATE, ALARM, STATUS, PLATE, SENSOR, POSITION])
def test_what_goes_first_is_what_is_not_counted_among_the_others(event: AnyEvent) -> None:
    acknowledged = Acknowledged()
    acknowledged.count(Taken(chunk("s", event), 0, {}, {}), 0.2)
    (counted,) = (urgency for urgency, buckets in acknowledged.buckets.items() if sum(buckets.counts))
    assert (counted is not Urgency.OTHER) is (type(event) in URGENT)
