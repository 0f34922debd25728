"""Locust's users: sources over TCP and WebSocket, the crews' terminals, and dispatch clients.

Place in the flow: before it and after it. Each user lives as long as the run: it says what is due when it is due, settles, and
stays silent. What it waits for is reported to locust's statistics event by event, so the web UI, the CSV files and distributed
mode show it: `TCP` and `WS` requests are events by kind, from the instant at which they were due until they were acknowledged;
`DISPATCH` ones are what a dispatch client waits for, calls that it sees among them.
Requirements: OCC-1, OCC-4, CITY-1, CITY-12.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from copy import copy
from typing import ClassVar, Final, assert_never

import msgspec
from locust import User, task
from locust.env import Environment
from locust.exception import StopUser
from locust.stats import RequestStats, bucket_response_time

from core.commands import Close, CreateIncident
from core.events import Fix
from core.instant import SECOND_US, to_micros
from loadtest.board import UNPLACED_S, UNREACHED, Board, Cleared, Offered, Unplaced, Withdrawn
from loadtest.city import City
from loadtest.crews import Fleet, Habits
from loadtest.happening import Rates
from loadtest.locust_users.account import ClientAccount, SourceAccount
from loadtest.locust_users.conduct import Conduct, Run
from loadtest.locust_users.desk import Desk, new_id
from loadtest.locust_users.lane import BACKLOG_EVENTS, Lane, LaneError, now_us
from loadtest.locust_users.plan import USERS, Profile, Timeline
from loadtest.locust_users.setting import named_folder, read
from loadtest.locust_users.teller import Due, StreamTeller, Teller
from loadtest.locust_users.wire import TcpWire, Wire, WsWire
from protocols.dispatch.message import Answer, Changes, Snapshot
from protocols.ingest.message import WEBSOCKET_PATH, Framing

CATCH_UP_US: Final = 250_000
"""Stretch of what was due that a source which is behind makes at once, before it looks how much is waiting."""
LOOK_S: Final = 0.005
"""How often a client looks whether it has seen the end."""
HABITS: Final = Habits(accept_s=20.0, turnout_s=60.0, work_s=240.0, decline_share=0.03, silent_share=0.02)
"""In the crews' own time, but for the positions, one in five seconds of the clock."""
NOTHING: Final = Rates(happenings=0.0, panels=0.0, plates=0.0, readings=0.0, analytics=0.0)

FOLDER: Final = named_folder()
CONDUCT: Final = Conduct(read(FOLDER), FOLDER)
"""Of this process."""


class Participant(User):
    """What all users have: a run they take part in, and a way to report."""

    abstract = True
    transport: ClassVar[str] = ""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.part: Run

    def report(self, what: str, took_ms: float, times: int = 1) -> None:
        """Something has been answered after so long, or so many of its kind at once.

        Locust's event is fired once for all of them; its statistics count each.
        """
        self.environment.events.request.fire(
            request_type=self.transport, name=what, response_time=took_ms, response_length=0, exception=None, context={}
        )
        if times > 1:
            count_more(self.environment.stats, self.transport, what, took_ms, times - 1)

    def failed(self, what: str, error: Exception) -> None:
        """Something was not answered at all."""
        self.environment.events.request.fire(
            request_type=self.transport, name=what, response_time=0.0, response_length=0, exception=error, context={}
        )

    def others(self) -> int:
        """How many users of this class there are in all workers."""
        name = type(self).__name__
        return max(1, self.part.plan.users.get(name, USERS[name]))

    @task
    def take_part(self) -> None:
        """The whole of a user's life."""
        self.part = CONDUCT.run()
        self.play()
        # Until locust ends the run: a task that returned would be begun again.
        while True:
            time.sleep(1.0)

    def play(self) -> None:
        """What this user does in the run."""
        raise NotImplementedError


class Source(Participant):
    """A source with a lane of its own."""

    abstract = True
    framing: ClassVar[Framing] = Framing.NDJSON
    profile: ClassVar[str] = "people"
    """Field of the plan that says how what it tells changes over the run."""
    tick_s: ClassVar[float] = 0.004
    """How often it looks for what is due."""

    def share_of(self, rates: Rates) -> Rates:
        """What of the city's happenings this class tells."""
        raise NotImplementedError

    def open_wire(self) -> Wire:
        """Connects. Raises `OSError`."""
        raise NotImplementedError

    def play(self) -> None:
        """Tells what is due when it is due, and waits until all of it is acknowledged."""
        run = self.part
        name, number = run.name(type(self).__name__)
        account = SourceAccount(name, run.recorder, self.report)
        lane = Lane(account, run.setting.source_token, self.framing, self.open_wire, self._welcomed)
        run.speaking(account)
        try:
            self.prepare(run, name, number)
            lane.connect()
            self._tell(run, lane)
            settled = lane.settle(time.monotonic() + run.setting.drain_s)
            if not settled:
                self.failed("settle", LaneError(f"{name}: {account.sent - account.acked} events are not acknowledged"))
            lane.leave()
        except LaneError as error:
            self.failed("connection", error)
            raise StopUser from error
        finally:
            self.done()
            run.silent()

    def prepare(self, run: Run, name: str, number: int) -> None:
        """Makes what is to be told."""
        rates = run.plan.rates(run.setting.seconds, run.setting.times / self.others())
        profile: Profile = getattr(run.plan, self.profile)
        timeline = Timeline(profile, run.setting.seconds)
        make = Teller if self.profile == "people" else StreamTeller
        self._teller = make(CONDUCT.city(), self.share_of(rates), timeline, run.seed_of(name), run.started_us)

    def due(self, until_us: int) -> Sequence[Due]:
        """What is to be told up to an instant."""
        return self._teller.until(until_us)

    def done(self) -> None:
        """The user has nothing more to say."""

    def _tell(self, run: Run, lane: Lane) -> None:
        # What is due at the first instant is not sent while everybody still connects.
        while (early_us := run.started_us - now_us()) > 0:
            time.sleep(early_us / 1e6)
        cuts = [run.started_us + round(share * run.setting.seconds * 1e6) for share in run.plan.cuts]
        reached_us = run.started_us
        while reached_us < run.ends_us:
            present_us = now_us()
            if present_us > run.ends_us + run.setting.drain_s * 1e6:
                raise LaneError(f"{lane.account.source}: {(run.ends_us - reached_us) / 1e6:.1f} s of events were never sent")
            if cuts and cuts[0] <= present_us:
                cuts.pop(0)
                lane.cut()
            if lane.backlog < BACKLOG_EVENTS:
                reached_us = max(reached_us, min(present_us, reached_us + CATCH_UP_US))
                lane.push(self.due(reached_us))
            else:
                lane.push(())
            if reached_us >= present_us - CATCH_UP_US:
                time.sleep(self.tick_s)

    def _welcomed(self, took_ms: float) -> None:
        self.report("hello → welcome", took_ms)


class TcpSource(Source):
    """A source over TCP."""

    abstract = True
    transport = "TCP"

    def open_wire(self) -> Wire:
        """Connects. Raises `OSError`."""
        return TcpWire(self.part.setting.ingest_tcp)


class WsSource(Source):
    """A source over WebSocket."""

    abstract = True
    transport = "WS"

    def open_wire(self) -> Wire:
        """Connects. Raises `OSError`."""
        return WsWire(self.part.setting.ingest_ws, WEBSOCKET_PATH, text=self.framing is Framing.NDJSON)


class TelephonePlatform(TcpSource):
    """The city's 112 platform: calls and their updates, and what alarms, cameras and detectors near a happening tell of it."""

    def share_of(self, rates: Rates) -> Rates:
        """Happenings."""
        return msgspec.structs.replace(NOTHING, happenings=rates.happenings)


class AlarmReceiver(WsSource):
    """Panels, buttons and video analytics that nobody calls about."""

    def share_of(self, rates: Rates) -> Rates:
        """Alarms and analytics."""
        return msgspec.structs.replace(NOTHING, panels=rates.panels, analytics=rates.analytics)


class CameraSystem(TcpSource):
    """Plate cameras, in MessagePack."""

    framing = Framing.MSGPACK
    profile = "plates"
    tick_s = 0.01

    def share_of(self, rates: Rates) -> Rates:
        """Plate reads."""
        return msgspec.structs.replace(NOTHING, plates=rates.plates)


class SmartCity(WsSource):
    """The city's meters and detectors, in MessagePack."""

    framing = Framing.MSGPACK
    profile = "readings"
    tick_s = 0.01

    def share_of(self, rates: Rates) -> Rates:
        """Readings."""
        return msgspec.structs.replace(NOTHING, readings=rates.readings)


class CrewTerminals(TcpSource):
    """The terminals of a part of the city's crews: they report, and act on the assignments that the centre publishes."""

    profile = ""

    def prepare(self, run: Run, name: str, number: int) -> None:
        """The crews, under call signs of this user's own."""
        self._fleet = Fleet(
            own_crews(CONDUCT.city(), name, number, self.others()), run.seed_of(name), run.started_us, run.plan.pace, HABITS
        )
        self._board = Board()
        self._board_cursor: int | None = None
        self._orders: list[Close] = []
        self._unplaced: deque[tuple[int, int]] = deque()
        """When to give up looking for the place of which incident."""
        self._desk = Desk(
            run.setting.dispatch,
            run.setting.client_token,
            "jedel-load-crews",
            "",
            cursor=lambda: self._board_cursor,
            receive=self._receive,
            measured=self._measured,
            lost=lambda: None,
        )
        self._desk.connect()

    def due(self, until_us: int) -> Sequence[Due]:
        """What the crews report up to an instant."""
        self._desk.look()
        while self._unplaced and self._unplaced[0][0] <= until_us:
            _, incident = self._unplaced.popleft()
            view = self._board.open.get(incident)
            if view is not None and view.place is None:
                self._orders.append(Close(command_id=new_id(), incident=incident, result=UNREACHED))
        orders, self._orders = self._orders, []
        for order in orders:
            self._desk.order(order)
        until_us = min(until_us, self.part.ends_us)
        return [Due(to_micros(event.at), event) for event in self._fleet.events_until(until_us)]

    def done(self) -> None:
        """The crews are not heard any more."""
        if hasattr(self, "_desk"):
            self._desk.leave()

    def _receive(self, message: Snapshot | Changes, arrived_us: int) -> None:
        for raw in message.incidents:
            _, turns = self._board.take_incident(bytes(raw))
            for turn in turns:
                match turn:
                    case Offered():
                        if turn.crew in self._fleet.crews:
                            self._fleet.offer(turn.crew, turn.incident.incident_id, turn.incident.place, arrived_us)
                    case Withdrawn():
                        if turn.crew in self._fleet.crews:
                            self._fleet.withdraw(turn.crew, turn.incident_id, arrived_us)
                    case Cleared():
                        self._orders.append(Close(command_id=new_id(), incident=turn.incident_id, result="worked"))
                    case Unplaced():
                        self._unplaced.append((arrived_us + round(UNPLACED_S * SECOND_US), turn.incident_id))
                    case _:
                        assert_never(turn)
        if not message.more:
            self._board_cursor = message.cursor

    def _measured(self, what: str, took_ms: float) -> None:
        """The crews' own subscription is not measured: it exists to let them act."""


class DispatchClient(Participant):
    """A dispatcher's map or a board on a wall: it watches the whole centre, or every other one a district."""

    transport = "DISPATCH"

    def play(self) -> None:
        """Watches until everything of the run has been seen."""
        run = self.part
        setting = run.setting
        name, number = run.name(type(self).__name__)
        districts = CONDUCT.city().districts
        district = districts[number // 2 % len(districts)] if setting.by_district and number % 2 else None
        account = ClientAccount(name, district.territory if district else "", f"{run.token}-", run.recorder, self.report)
        desk = Desk(
            setting.dispatch,
            setting.client_token,
            "jedel-load",
            account.territory,
            cursor=lambda: account.cursor,
            receive=account.apply,
            measured=self._measured,
            lost=account.cut,
        )
        self._account = account
        run.watching(account)
        try:
            desk.connect()
            cuts = [run.started_us + round(share * setting.seconds * 1e6) for share in run.plan.cuts]
            while not run.look.is_set():
                if cuts and cuts[0] <= now_us():
                    cuts.pop(0)
                    desk.cut()
                desk.look()
                run.look.wait(max(0.0, min(0.5, (cuts[0] - now_us()) / 1e6)) if cuts else 0.5)
            self._look(run, desk, account)
            desk.leave()
        except LaneError as error:
            self.failed("connection", error)
            raise StopUser from error
        finally:
            run.looked()

    def _look(self, run: Run, desk: Desk, account: ClientAccount) -> None:
        """Makes an incident where it watches and waits until it sees it: whatever was committed before is then seen too."""
        city = CONDUCT.city()
        crossing = next(
            (
                number
                for number in range(len(city.crossings))
                if not account.territory or city.districts[city.district_of(number)].territory == account.territory
            ),
            0,
        )
        place = city.crossings[crossing]
        give_up_s = time.monotonic() + run.setting.drain_s
        answer = desk.command(
            CreateIncident(
                command_id=new_id(),
                category="utility",
                words="load run: the end",
                place=Fix(place.latitude_deg, place.longitude_deg, 5.0),
            ),
            give_up_s,
        )
        if not isinstance(answer, Answer) or answer.incident is None:
            self.failed("end", LaneError(f"{account.client}: the last incident was not made: {answer}"))
            return
        while answer.incident not in account.seen:
            if time.monotonic() > give_up_s:
                self.failed("end", LaneError(f"{account.client}: incident {answer.incident} was not told"))
                return
            time.sleep(LOOK_S)
        account.complete = True
        desk.command(Close(command_id=new_id(), incident=answer.incident, result="load run: the end"), give_up_s)

    def _measured(self, what: str, took_ms: float) -> None:
        self.report(what, took_ms)


def count_more(stats: RequestStats, transport: str, what: str, took_ms: float, times: int) -> None:
    """Adds answers to locust's statistics that were like the one it has just been told of."""
    now_s = int(time.time())
    bucket = bucket_response_time(took_ms)
    for entry in (stats.total, stats.get(what, transport)):
        entry.num_requests += times
        entry.num_reqs_per_sec[now_s] += times
        entry.total_response_time += round(took_ms * times)
        entry.response_times[bucket] += times


def own_crews(city: City, name: str, number: int, parts: int) -> City:
    """A city with every `parts`-th of its crews, under call signs that nobody else of any run has."""
    own = copy(city)
    own.crews = [
        msgspec.structs.replace(profile, call_sign=f"{name}-{profile.call_sign}")
        for profile in city.crews[number % parts :: parts]
    ]
    return own
