"""Locust's own view of the shapes and users, asked in a process of its own: importing locust patches a process for good."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec

from loadtest.locust_users import setting as settings
from loadtest.locust_users.plan import PLANS, USERS
from loadtest.locust_users.setting import Setting

PROJECT = Path(__file__).parents[3]
ASK = """
import json, sys
from locust.env import Environment
from locust.util.load_locustfile import load_locustfile
from loadtest.locust_users import shapes
users, (chosen,) = load_locustfile("loadtest/locust_users/locustfile.py")
Environment(user_classes=list(users.values()), shape_class=chosen)
ticks = {}
for name, kind in shapes.SHAPES.items():
    kind.conduct = chosen.conduct
    kind.conduct.finished = False
    shape = kind()
    ticks[name] = [shape.tick()]
    kind.conduct.finished = True
    ticks[name].append(shape.tick())
    shape.reset_time()
    ticks[name].append(shape.tick())
json.dump({
    "chosen": type(chosen).__name__,
    "counts": {name: user.fixed_count for name, user in users.items() if user.fixed_count},
    "ticks": ticks,
}, sys.stdout)
"""


class Answer(msgspec.Struct):
    """What locust's process says."""

    chosen: str
    counts: dict[str, int]
    ticks: dict[str, tuple[tuple[int, float], None, tuple[int, float]]]
    """Shape → what it says while the run lasts, when it is over, and when another one begins."""


def ask(folder: Path, shape: str, only: str = "") -> Answer:
    settings.write(
        Setting(
            shape=shape,
            seconds=3.0,
            ingest_tcp=("127.0.0.1", 1),
            ingest_ws=("127.0.0.1", 2),
            dispatch=("127.0.0.1", 3),
            source_token="s",
            client_token="c",
            only=only,
        ),
        folder,
    )
    environment = {**os.environ, settings.FOLDER_VARIABLE: str(folder), "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(
        [sys.executable, "-c", ASK], env=environment, cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return msgspec.json.decode(done.stdout, type=Answer)


def counts_of(shape: str) -> dict[str, int]:
    return {user: PLANS[shape].users.get(user, number) for user, number in USERS.items()}


def test_locust_plays_the_shape_of_the_setting_with_its_plans_users_until_the_run_is_over(tmp_path: Path) -> None:
    answer = ask(tmp_path, "reconnect")
    assert answer.chosen == "ReconnectStorm"
    assert answer.counts == counts_of("reconnect")
    # There is a shape for each plan; users stay as many as they are, None ends the run, and another one can begin.
    users = {shape: (sum(counts_of(shape).values()), 100.0) for shape in PLANS}
    assert answer.ticks == {shape: (users[shape], None, users[shape]) for shape in PLANS}


def test_one_class_of_users_can_be_played_alone(tmp_path: Path) -> None:
    answer = ask(tmp_path, "day", only="CameraSystem")
    assert answer.counts == {"CameraSystem": USERS["CameraSystem"]}
    assert all(before == (USERS["CameraSystem"], 100.0) for before, _, _ in answer.ticks.values())
