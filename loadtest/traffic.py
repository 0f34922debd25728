"""Calls, alarms, analytics, plate reads and sensor readings of the simulated city, on a virtual timeline.

Place in the flow: before it; `loadtest.drive` sends what comes out of here through real sockets. Something happens somewhere
(a `Happening`), and then several people and devices tell of it, each in their own way: with a device's fix, given
coordinates, an address in words, or nothing but a telephone number. `Traffic.truth` remembers which event tells of which
happening, so that what the centre made of it can be judged.

Rules: the caller owns the time: `events_until(t)` gives what has happened up to `t`, in order; no clock is read. The same
city, rates and seed give the same events however the time is cut. Arrivals are Poisson. Each stream numbers its events by one
from `next_seq`. Requirements: OCC-1, CITY-1, CITY-2, CITY-11, CITY-14, CITY-18.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from heapq import heappop, heappush
from math import cos, radians
from random import Random
from typing import Final, Literal

from core.events import Alarm, Call, CallUpdate, Fix, PlateRead, SensorReading, VideoEvent
from core.instant import SECOND_US, to_datetime
from loadtest.cadastre import Device, Point
from loadtest.city import METRES_A_DEGREE, City
from loadtest.happening import CALLER_DELAY_S, EVERYDAY, KINDS, LANGUAGES, STREAMS, Happening, Kind, Rates, Sent, Stream
from loadtest.words import MALFORMED_PHONES, phrase, spell_address, spell_corner, spell_phone, typo

_PLATE_LETTERS: Final = "ABCDEFGHKLMNOPRSTUVXYZ"


class Traffic:
    """The city's events; see the module's rules.

    Args:
        city: where it happens.
        rates: how often.
        seed: of everything drawn here.
        start_us: the timeline's beginning.
        next_seq: number of each stream's first event, from the welcome of a source that has sent before; 1 where absent.
    """

    def __init__(
        self, city: City, rates: Rates, seed: int, start_us: int, next_seq: Mapping[Stream, int] | None = None
    ) -> None:
        self.city = city
        self.happenings: list[Happening] = []
        self.truth: dict[tuple[Stream, int], int] = {}
        """(stream, seq) → index of the happening that the event tells of."""
        self._rng = Random(f"traffic/{seed}")
        self._next_seq: dict[Stream, int] = {stream: (next_seq or {}).get(stream, 1) for stream in STREAMS}
        self._calendar: list[tuple[int, int, Callable[[int], Sent | None]]] = []
        self._entries = 0
        self._weights = [kind.weight for kind in KINDS.values()]
        self._codes = list(KINDS)
        self._plate_cameras = [device for device in city.devices if device.kind == "plate_camera"]
        self._panels = [device for device in city.devices if device.kind in ("panel", "button")]
        self._meters = [device for device in city.devices if device.kind in EVERYDAY]
        self._video_at: dict[int, Device] = {
            city.nearest_crossing(device.place): device for device in city.devices if device.kind == "video_camera"
        }
        self._guards: dict[tuple[int | None, str], Device] = {(device.house, device.kind): device for device in city.devices}
        self._repeat(start_us, rates.happenings, self._happen)
        if self._panels:
            self._repeat(start_us, rates.panels, self._stray_alarm)
        if self._plate_cameras:
            self._repeat(start_us, rates.plates, self._plate)
        if self._meters:
            self._repeat(start_us, rates.readings, self._reading)
        if self._video_at:
            self._repeat(start_us, rates.analytics, self._stray_analytic)

    def events_until(self, until_us: int) -> list[Sent]:
        """All events up to and including `until_us` that were not given before, oldest first."""
        events = []
        calendar = self._calendar
        while calendar and calendar[0][0] <= until_us:
            at_us, _, make = heappop(calendar)
            sent = make(at_us)
            if sent is not None:
                events.append(sent)
        return events

    def _plan(self, at_us: int, make: Callable[[int], Sent | None]) -> None:
        self._entries += 1
        heappush(self._calendar, (at_us, self._entries, make))

    def _repeat(self, start_us: int, rate: float, make: Callable[[int], Sent | None]) -> None:
        """A Poisson process: `make` at every arrival. Each has its own rng, so one rate does not shift another's arrivals."""
        if rate <= 0:
            return
        gaps = Random(self._rng.random())

        def arrive(at_us: int) -> Sent | None:
            self._plan(at_us + max(1, round(gaps.expovariate(rate) * SECOND_US)), arrive)
            return make(at_us)

        self._plan(start_us + round(gaps.expovariate(rate) * SECOND_US), arrive)

    def _number(self, stream: Stream) -> int:
        seq = self._next_seq[stream]
        self._next_seq[stream] = seq + 1
        return seq

    def _happen(self, at_us: int) -> Sent | None:
        rng, city = self._rng, self.city
        category = rng.choices(self._codes, self._weights)[0]
        kind = KINDS[category]
        subscriber = rng.randrange(city.subscriber_count) if city.subscriber_count else -1
        if rng.random() < kind.outdoors or subscriber < 0:
            crossing = rng.randrange(len(city.crossings))
            happening = Happening(category, city.crossings[crossing], None, crossing, at_us, subscriber)
        else:
            house_no = city.subscriber(subscriber).house
            house = city.houses[house_no]
            happening = Happening(category, house.place, house_no, house.crossing, at_us, subscriber)
        number = len(self.happenings)
        self.happenings.append(happening)
        callers = 1
        while rng.random() < kind.callers / (1 + kind.callers):
            callers += 1
        for caller in range(1, callers):
            self._plan(
                at_us + round(rng.expovariate(1 / CALLER_DELAY_S) * SECOND_US),
                self._call_about(number, first=False, caller=caller),
            )
        self._devices_notice(number, happening, kind)
        return self._call_about(number, first=True, caller=0)(at_us)

    def _devices_notice(self, number: int, happening: Happening, kind: Kind) -> None:
        """Cameras and detectors near the happening tell of it too, each by itself."""
        rng = self._rng
        video = self._video_at.get(happening.crossing)
        if kind.analytic and video is not None and rng.random() < 0.6:
            self._plan(
                happening.at_us + rng.randrange(1, 20 * SECOND_US),
                lambda at_us: self._analytic(at_us, video, kind.analytic, number),
            )
        guard = self._guards.get((happening.house, kind.alarm)) if happening.house is not None else None
        if guard is not None:
            self._plan(happening.at_us + rng.randrange(1, 10 * SECOND_US), lambda at_us: self._alarm(at_us, guard, number))

    def _call_about(self, number: int, *, first: bool, caller: int) -> Callable[[int], Sent]:
        happening = self.happenings[number]

        def call(at_us: int) -> Sent:
            rng, city = self._rng, self.city
            language = rng.choice(LANGUAGES)
            words = phrase(happening.category, language, rng)
            if rng.random() < 0.15:
                words = typo(words, rng)
            resident = first and happening.house is not None
            phone = self._phone(happening.subscriber if resident else None)
            evidence = rng.random()
            fix = given = cell = None
            address = ""
            if evidence < 0.12 and resident and phone and city.subscriber(happening.subscriber).place is not None:
                phone = spell_phone(city.subscriber(happening.subscriber).phone, rng)
            elif evidence < 0.50:
                fix = self._fix(happening.place, rng.choice((8.0, 15.0, 30.0, 50.0)))
            elif evidence < 0.62:
                given = Fix(happening.place.latitude_deg, happening.place.longitude_deg, 20.0)
            else:
                address = self._said(happening)
                if rng.random() < 0.3:
                    cell = self._fix(happening.place, 700.0)
            seq = self._number("telephone")
            self.truth["telephone", seq] = number
            call_id = f"T{seq}"
            if rng.random() < 0.15:
                self._plan(
                    at_us + rng.randrange(3 * SECOND_US, 20 * SECOND_US),
                    lambda later_us: self._update(later_us, call_id, number),
                )
            if phone and caller < 3 and rng.random() < 0.10:
                # The same person calls again; `caller` bounds how often.
                self._plan(at_us + rng.randrange(20 * SECOND_US, 90 * SECOND_US), self._again(number, phone, caller + 1))
            return Sent(
                "telephone",
                Call(
                    seq=seq, at=to_datetime(at_us), phone=phone, call_id=call_id, words=words, language=language,
                    fix=fix, given=given, address=address, cell=cell,
                ),
            )  # fmt: skip

        return call

    def _again(self, number: int, phone: str, caller: int) -> Callable[[int], Sent]:
        happening = self.happenings[number]

        def call(at_us: int) -> Sent:
            seq = self._number("telephone")
            self.truth["telephone", seq] = number
            words = phrase(happening.category, "ru", self._rng)
            address = self._said(happening) if caller % 2 else ""
            return Sent(
                "telephone", Call(seq=seq, at=to_datetime(at_us), phone=phone, call_id=f"T{seq}", words=words, address=address)
            )

        return call

    def _update(self, at_us: int, call_id: str, number: int) -> Sent:
        happening = self.happenings[number]
        seq = self._number("telephone")
        self.truth["telephone", seq] = number
        fix = self._fix(happening.place, 10.0) if self._rng.random() < 0.5 else None
        words = "" if fix else phrase(happening.category, "ru", self._rng)
        return Sent("telephone", CallUpdate(seq=seq, at=to_datetime(at_us), call_id=call_id, words=words, fix=fix))

    def _phone(self, subscriber: int | None) -> str:
        """A caller's number as the platform delivers it: withheld, malformed, unknown to the exchanges, or a subscriber's."""
        rng = self._rng
        chance = rng.random()
        if chance < 0.05:
            return ""
        if chance < 0.08:
            return rng.choice(MALFORMED_PHONES)
        if chance < 0.15 or not self.city.subscriber_count:
            # A city knows of as many strangers as it has subscribers; that many numbers are remembered of it, and no more.
            return f"+7747{rng.randrange(10_000_000) % (self.city.subscriber_count or 10_000_000):07d}"
        index = rng.randrange(self.city.subscriber_count) if subscriber is None else subscriber
        return spell_phone(self.city.subscriber(index).phone, rng)

    def _said(self, happening: Happening) -> str:
        rng, city = self._rng, self.city
        if happening.house is None:
            said = spell_corner(*city.corner(happening.crossing), rng)
        else:
            house = city.houses[happening.house]
            said = spell_address(city.streets[house.street].name, house.number, rng)
        return typo(said, rng) if rng.random() < 0.2 else said

    def _fix(self, place: Point, accuracy_m: float) -> Fix:
        rng = self._rng
        north_m, east_m = rng.gauss(0, accuracy_m), rng.gauss(0, accuracy_m)
        return Fix(
            latitude_deg=round(place.latitude_deg + north_m / METRES_A_DEGREE, 6),
            longitude_deg=round(place.longitude_deg + east_m / (METRES_A_DEGREE * cos(radians(place.latitude_deg))), 6),
            accuracy_m=accuracy_m,
        )

    def _alarm(self, at_us: int, device: Device, number: int | None) -> Sent:
        if device.kind == "gas":
            return self._measured(at_us, device, "methane_percent", round(self._rng.uniform(1.2, 4.0), 2), "%", number)
        seq = self._number("alarms")
        if number is not None:
            self.truth["alarms", seq] = number
        alarm: Literal["panel", "button", "fire"] = (
            "fire" if device.kind == "fire" else "button" if device.kind == "button" else "panel"
        )
        return Sent(
            "alarms",
            Alarm(seq=seq, at=to_datetime(at_us), device=device.device_id, alarm=alarm, zone=str(self._rng.randint(1, 8))),
        )

    def _stray_alarm(self, at_us: int) -> Sent:
        return self._alarm(at_us, self._rng.choice(self._panels), None)

    def _analytic(self, at_us: int, camera: Device, analytic: str, number: int | None) -> Sent:
        seq = self._number("alarms")
        if number is not None:
            self.truth["alarms", seq] = number
        confidence = round(self._rng.uniform(0.7, 0.99), 2)
        return Sent(
            "alarms",
            VideoEvent(seq=seq, at=to_datetime(at_us), camera=camera.device_id, analytic=analytic, confidence=confidence),
        )

    def _stray_analytic(self, at_us: int) -> Sent:
        camera = self._rng.choice(list(self._video_at.values()))
        return self._analytic(at_us, camera, self._rng.choice(("crowd", "abandoned_object", "person_down")), None)

    def _plate(self, at_us: int) -> Sent:
        draw = self._rng.getrandbits(62)
        count = len(_PLATE_LETTERS)
        series = "".join(_PLATE_LETTERS[draw // divisor % count] for divisor in (1000, 22_000, 484_000))
        plate = f"{draw % 999 + 1:03d}{series}{draw // 10_648_000 % 20 + 1:02d}"
        camera = self._plate_cameras[(draw >> 32) % len(self._plate_cameras)]
        seq = self._number("cameras")
        confidence = 0.7 + (draw >> 55) / 500
        return Sent(
            "cameras", PlateRead(seq=seq, at=to_datetime(at_us), camera=camera.device_id, plate=plate, confidence=confidence)
        )

    def _reading(self, at_us: int) -> Sent:
        device = self._rng.choice(self._meters)
        quantity, lowest, highest, unit = EVERYDAY[device.kind]
        return self._measured(at_us, device, quantity, round(self._rng.uniform(lowest, highest), 2), unit, None)

    def _measured(self, at_us: int, device: Device, quantity: str, value: float, unit: str, number: int | None) -> Sent:
        seq = self._number("sensors")
        if number is not None:
            self.truth["sensors", seq] = number
        event = SensorReading(
            seq=seq, at=to_datetime(at_us), device=device.device_id, quantity=quantity, value=value, unit=unit
        )
        return Sent("sensors", event)
