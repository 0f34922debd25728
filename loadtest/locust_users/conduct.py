"""How the processes of a run act together: it begins at one instant, and ends when everything is proved to have been told.

Place in the flow: around it. The leader (the master, or the only process) and the workers send each other locust's own
messages, which a single process sends to itself:

    leader → workers   begin     the run's token and its first instant
    worker → leader    settled   everything that its sources sent is acknowledged
    leader → workers   look      all workers are settled: what dispatch clients make happen now comes after everything
    worker → leader    ended     its clients have seen that, and its ledger is written

Rules: nobody waits longer than the setting's `drain_s`; a ledger is written once, under a name of its own, whatever happened; a
worker that does not end is missing in the run's record, which the verification finds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Protocol
from uuid import uuid4

import msgspec
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from loadtest.city import City
from loadtest.locust_users.account import (
    LEDGER,
    RUN,
    ClientAccount,
    Recorder,
    RunRecord,
    SourceAccount,
    WorkerLedger,
)
from loadtest.locust_users.lane import now_us
from loadtest.locust_users.plan import PLANS, Plan
from loadtest.locust_users.setting import Setting

LEAD_S: Final = 2.0
"""From the beginning until the first event is due: everybody connects meanwhile."""
_POLL_S: Final = 0.05


class Told(Protocol):
    """A message of locust's."""

    data: Mapping[str, str | int]


class Run:
    """One run in one process."""

    def __init__(self, token: str, worker: str, setting: Setting, started_us: int) -> None:
        self.token = token
        self.worker = worker
        self.setting = setting
        self.plan: Plan = PLANS[setting.shape]
        self.started_us = started_us
        self.recorder = Recorder(started_us, setting.seconds)
        self.sources: list[SourceAccount] = []
        self.clients: list[ClientAccount] = []
        self.look = threading.Event()
        """Set when everything that all sources sent is acknowledged."""
        self._cpu_s = time.process_time()
        self._names: dict[str, int] = {}
        self._busy = 0
        self._looking = 0

    @property
    def prefix(self) -> str:
        """What every name of this run in this process begins with."""
        return f"{self.token}-{self.worker}-"

    @property
    def ends_us(self) -> int:
        """When the last event is due."""
        return self.started_us + round(self.setting.seconds * 1e6)

    def name(self, user: str) -> tuple[str, int]:
        """A name that nobody else of any run has, and the user's number among its class in this process, from 0."""
        number = self._names.get(user, 0)
        self._names[user] = number + 1
        return f"{self.prefix}{user}-{number}", number

    def seed_of(self, name: str) -> int:
        """A seed of this user's own: the same setting and name give the same happenings, whatever the token."""
        label = name.removeprefix(f"{self.token}-")
        return self.setting.city.seed * 1_000_003 + sum((at + 1) * 7_919 * ord(letter) for at, letter in enumerate(label))

    def speaking(self, account: SourceAccount) -> None:
        """A source takes part."""
        self.sources.append(account)
        self._busy += 1

    def silent(self) -> None:
        """A source is settled, or has given up."""
        self._busy -= 1

    def watching(self, account: ClientAccount) -> None:
        """A dispatch client takes part."""
        self.clients.append(account)
        self._looking += 1

    def looked(self) -> None:
        """A dispatch client has seen everything, or has given up."""
        self._looking -= 1

    def wait_settled(self) -> None:
        """Returns when every source of this process is settled, `drain_s` after the last event at the latest."""
        time.sleep(max(0.0, (self.ends_us - now_us()) / 1e6))
        self._wait(lambda: self._busy <= 0)

    def wait_looked(self) -> None:
        """Returns when every client of this process has seen everything, `drain_s` later at the latest."""
        self.look.wait(self.setting.drain_s * 2)
        self._wait(lambda: self._looking <= 0)

    def ledger(self) -> WorkerLedger:
        """The account of this process."""
        return WorkerLedger(
            token=self.token,
            worker=self.worker,
            cell_s=self.recorder.cell_s,
            sources=[account.ledger() for account in self.sources],
            clients=[account.ledger() for account in self.clients],
            series=self.recorder.finished(),
            cpu_s=time.process_time() - self._cpu_s,
            late=self.recorder.late.buckets,
        )

    def _wait(self, holds: Callable[[], bool]) -> None:
        give_up_s = time.monotonic() + self.setting.drain_s
        while not holds() and time.monotonic() < give_up_s:
            time.sleep(_POLL_S)


class Conduct:
    """This process's part in the runs, one after another; see the module."""

    def __init__(self, setting: Setting, folder: Path) -> None:
        self.setting = setting
        self.folder = folder
        self.finished = False
        """Whether the leader's run is over."""
        self._run: Run | None = None
        self._begun = threading.Event()
        self._city: City | None = None
        self._environment: Environment | None = None
        self._record: RunRecord | None = None
        self._expected = 1
        self._settled: set[str] = set()
        self._ended: set[str] = set()

    def attach(self, environment: Environment) -> None:
        """Listens to locust, when its environment is made."""
        self._environment = environment
        runner = environment.runner
        if runner is None:
            raise RuntimeError("locust has no runner yet")
        if not isinstance(runner, WorkerRunner):
            environment.events.test_start.add_listener(self._lead)
            runner.register_message("jedel_settled", self._on_settled)
            runner.register_message("jedel_ended", self._on_ended)
        if not isinstance(runner, MasterRunner):
            # Made before a run begins: it takes as long as everybody has to connect.
            self.city()
            runner.register_message("jedel_begin", self._on_begin)
            runner.register_message("jedel_look", self._on_look)

    def run(self) -> Run:
        """The present run; waits for its beginning."""
        self._begun.wait()
        if self._run is None:
            raise RuntimeError("a run has begun and is not there")
        return self._run

    def city(self) -> City:
        """The city, made when it is first asked for."""
        if self._city is None:
            self._city = self.setting.city.build()
        return self._city

    # The leader.

    def _lead(self, environment: Environment, **_: object) -> None:
        runner = environment.runner
        self.finished = False
        self._settled.clear()
        self._ended.clear()
        self._expected = runner.worker_count if isinstance(runner, MasterRunner) else 1
        setting = self.setting
        self._record = RunRecord(
            token=uuid4().hex[:8],
            shape=setting.shape,
            seconds=setting.seconds,
            times=setting.times,
            started_us=now_us() + round(LEAD_S * 1e6),
            workers=self._expected,
            ended=[],
        )
        self._send("jedel_begin", {"token": self._record.token, "started_us": self._record.started_us})
        threading.Thread(target=self._watch, args=(self._record,), daemon=True).start()

    def _watch(self, record: RunRecord) -> None:
        """Ends the run when all workers have ended, or at the latest instant at which they could have."""
        setting = self.setting
        give_up_s = time.monotonic() + LEAD_S + setting.seconds + 3 * setting.drain_s
        while self._ended_less(record) and time.monotonic() < give_up_s:
            time.sleep(_POLL_S)
        record = msgspec.structs.replace(record, ended=sorted(self._ended))
        _write_once(self.folder / f"{RUN}-{record.token}.json", msgspec.json.encode(record))
        self.finished = True

    def _ended_less(self, record: RunRecord) -> bool:
        return record is self._record and len(self._ended) < self._expected

    def _on_settled(self, environment: Environment, msg: Told, **_: object) -> None:
        self._settled.add(str(msg.data["worker"]))
        if len(self._settled) == self._expected:
            self._send("jedel_look", {})

    def _on_ended(self, environment: Environment, msg: Told, **_: object) -> None:
        self._ended.add(str(msg.data["worker"]))

    # A worker.

    def _on_begin(self, environment: Environment, msg: Told, **_: object) -> None:
        worker = f"w{getattr(environment.runner, 'worker_index', 0)}"
        self._run = Run(str(msg.data["token"]), worker, self.setting, int(msg.data["started_us"]))
        self._begun.set()
        threading.Thread(target=self._play, args=(self._run,), daemon=True).start()

    def _on_look(self, environment: Environment, msg: Told, **_: object) -> None:
        if self._run is not None:
            self._run.look.set()

    def _play(self, run: Run) -> None:
        run.wait_settled()
        self._send("jedel_settled", {"worker": run.worker})
        run.wait_looked()
        _write_once(self.folder / f"{LEDGER}-{run.token}-{run.worker}.json", msgspec.json.encode(run.ledger()))
        self._send("jedel_ended", {"worker": run.worker})

    def _send(self, kind: str, data: dict[str, str | int]) -> None:
        if self._environment is not None and self._environment.runner is not None:
            self._environment.runner.send_message(kind, data)


def _write_once(path: Path, data: bytes) -> None:
    """Writes a file that must not be there yet: two processes of one label would be a fault of ours."""
    with path.open("xb") as file:
        file.write(data)
