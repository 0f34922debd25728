"""A real Prometheus on this machine: it scrapes the processes of a centre each second and evaluates the project's own rules."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

import msgspec

from tests.end_to_end.service import until
from tests.ops.observe.rules import RULES

CONFIGURATION = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}}


class Sample(msgspec.Struct):
    """One series of an answer and its value."""

    metric: dict[str, str]
    value: tuple[float, str]


class _Data(msgspec.Struct):
    result: list[Sample] = []


class _Answer(msgspec.Struct):
    status: str
    data: _Data = msgspec.field(default_factory=_Data)
    error: str = ""


class Prometheus:
    """One that runs.

    Args:
        port: where it answers, on this machine.
        pid: its process.
        file: its configuration.
    """

    def __init__(self, port: int, pid: int, file: Path) -> None:
        self._port = port
        self._pid = pid
        self._file = file

    async def watch(self, job: str, targets: Sequence[tuple[str, int]]) -> None:
        """Has it watch these processes as a job of this name, and no others, as an operator does: file and SIGHUP."""
        write_configuration(self._file, job, targets)
        os.kill(self._pid, signal.SIGHUP)
        await self.holds(f'count (up{{job="{job}"}}) == {len(targets)}')

    async def jobs(self) -> set[str]:
        """Jobs on its page of targets."""
        body = await asyncio.to_thread(self._get, "/api/v1/targets")
        return {target["labels"]["job"] for target in msgspec.json.decode(body)["data"]["activeTargets"]}

    async def ask(self, expr: str) -> list[Sample]:
        """What an instant query answers now; fails where Prometheus does not understand it."""
        body = await asyncio.to_thread(self._get, f"/api/v1/query?{urlencode({'query': expr})}")
        answer = msgspec.json.decode(body, type=_Answer)
        assert answer.status == "success", f"{expr}: {answer.error}"
        return answer.data.result

    async def holds(self, expr: str, otherwise: str = "") -> None:
        """Waits until a query answers anything."""

        async def answers() -> bool:
            return bool(await self.ask(expr))

        try:
            await until(answers, otherwise)
        except TimeoutError as error:
            raise AssertionError(otherwise or f"never came true: {expr}") from error

    async def rule_faults(self) -> list[str]:
        """What was wrong when the rules were last evaluated, and what alerts say that cannot be read."""
        body = await asyncio.to_thread(self._get, "/api/v1/rules")
        rules = [rule for group in msgspec.json.decode(body)["data"]["groups"] for rule in group["rules"]]
        said = [text for rule in rules for alert in rule.get("alerts", ()) for text in alert["annotations"].values()]
        unreadable = [text for text in said if "error expanding" in text or "<no value>" in text]
        return [rule["lastError"] for rule in rules if rule.get("lastError")] + unreadable

    def is_ready(self) -> bool:
        """Whether it answers queries."""
        try:
            return b"Ready" in self._get("/-/ready")
        except OSError:
            return False

    def _get(self, path: str) -> bytes:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=30.0)
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        finally:
            connection.close()


@asynccontextmanager
async def prometheus_of(folder: Path, port: int, targets: Sequence[tuple[str, int]]) -> AsyncIterator[Prometheus]:
    """A Prometheus that has scraped all of these processes of the centre `jedel` at least twice."""
    file = folder / "prometheus.yml"
    write_configuration(file, "jedel", targets)
    process = _start(folder, port, file)
    try:
        prometheus = Prometheus(port, process.pid, file)

        async def ready() -> bool:
            assert process.poll() is None, (folder / "prometheus.log").read_text()
            return await asyncio.to_thread(prometheus.is_ready)

        await until(ready, "Prometheus did not start")
        await prometheus.holds(f"count (count_over_time(jedel_build_info[1m]) >= 2) == {len(targets)}")
        yield prometheus
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait)


def write_configuration(file: Path, job: str, targets: Sequence[tuple[str, int]]) -> None:
    """Writes a configuration that watches these processes as one job."""
    watched = {"job_name": job, "static_configs": [{"targets": [f"{host}:{at}" for host, at in targets]}]}
    # JSON is YAML.
    file.write_bytes(msgspec.json.encode({**CONFIGURATION, "rule_files": [str(RULES)], "scrape_configs": [watched]}))


def _start(folder: Path, port: int, file: Path) -> subprocess.Popen[bytes]:
    with (folder / "prometheus.log").open("wb") as log:
        return subprocess.Popen(
            [
                "prometheus",
                f"--config.file={file}",
                f"--storage.tsdb.path={folder / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{port}",
                # How long it believes what it saw last of a job that its file has no more; else five minutes.
                "--query.lookback-delta=15s",
            ],
            stdout=log,
            stderr=log,
        )
