"""The ready file: what this process says about itself, and what it leaves of another's."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

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


def full_disk(data_dir: Path) -> None:
    """The next draft finds no room."""
    (data_dir / f"{READY_FILE}.{os.getpid()}").symlink_to("/dev/full")


def test_disk_that_is_full_costs_what_came_later_and_no_more(tmp_path: Path, ready: ReadyFile) -> None:
    ready.write(BOUND)
    before = read(tmp_path)
    full_disk(tmp_path / "data")
    with capture_logs() as logs:
        ready.add("health", HEALTH)
    assert [(line["event"], line["log_level"]) for line in logs] == [("the ready file is not written", "warning")]
    assert "No space left" in logs[0]["reason"]
    assert read(tmp_path) == before
    assert [path.name for path in (tmp_path / "data").iterdir()] == [READY_FILE]
    ready.forget()
    assert list((tmp_path / "data").iterdir()) == []


def test_life_begins_where_there_is_no_place_for_the_file(tmp_path: Path, ready: ReadyFile) -> None:
    (tmp_path / "data").write_text("no folder")
    with capture_logs() as logs:
        ready.write(BOUND)
        ready.add("health", HEALTH)
        ready.forget()
    assert {(line["event"], line["log_level"]) for line in logs} == {
        ("the ready file is not written", "warning"),
        ("the ready file cannot be read", "warning"),
    }


def test_file_that_cannot_be_taken_away_stays(tmp_path: Path, ready: ReadyFile, monkeypatch: pytest.MonkeyPatch) -> None:
    ready.write(BOUND)

    def unlink(path: Path) -> None:
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "unlink", unlink)
    with capture_logs() as logs:
        ready.forget()
    assert [(line["event"], line["log_level"]) for line in logs] == [("the ready file stays", "warning")]


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[]", b"7", b"null", b"{}", b'{"pid": null}'])
def test_file_that_does_not_say_whose_it_is_stays_as_it_is(tmp_path: Path, ready: ReadyFile, text: bytes) -> None:
    ready.write(BOUND)
    (tmp_path / "data" / READY_FILE).write_bytes(text)
    ready.add("health", HEALTH)
    ready.forget()
    assert (tmp_path / "data" / READY_FILE).read_bytes() == text
