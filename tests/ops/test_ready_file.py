"""The ready file: what this process says about itself, and what it leaves of another's."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ops.ready_file import READY_FILE, ReadyFile

BOUND = {"ingest_tcp": ("127.0.0.1", 7111), "dispatch": ("127.0.0.1", 7113)}
HEALTH = ("127.0.0.1", 7114)


@pytest.fixture
def ready(tmp_path: Path) -> ReadyFile:
    return ReadyFile(tmp_path / "data", "postgresql://nowhere", "Almaty")


def read(tmp_path: Path) -> dict[str, object]:
    told: dict[str, object] = json.loads((tmp_path / "data" / READY_FILE).read_bytes())
    return told


def test_file_tells_of_what_came_later_too(tmp_path: Path, ready: ReadyFile) -> None:
    ready.write(BOUND)
    said = {
        "pid": os.getpid(),
        "centre": "Almaty",
        "dsn": "postgresql://nowhere",
        "ingest_tcp": ["127.0.0.1", 7111],
        "dispatch": ["127.0.0.1", 7113],
    }
    assert read(tmp_path) == said
    ready.add("health", HEALTH)
    assert read(tmp_path) == {**said, "health": list(HEALTH)}
    assert [path.name for path in (tmp_path / "data").iterdir()] == [READY_FILE]
    ready.forget()
    assert list((tmp_path / "data").iterdir()) == []


def test_file_of_another_process_stays_as_it_is(tmp_path: Path, ready: ReadyFile) -> None:
    ready.write(BOUND)
    (tmp_path / "data" / READY_FILE).write_text('{"pid": 0}')
    ready.add("health", HEALTH)
    ready.forget()
    assert read(tmp_path) == {"pid": 0}


def test_nothing_is_told_of_a_life_that_has_ended(tmp_path: Path, ready: ReadyFile) -> None:
    ready.write(BOUND)
    ready.forget()
    ready.add("health", HEALTH)
    ready.forget()
    assert list((tmp_path / "data").iterdir()) == []
