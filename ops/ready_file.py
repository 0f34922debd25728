"""The ready file: what the active process tells whoever shares its data directory: its number, centre, database and addresses.

Place in the flow: beside it. `ops.life` writes the file when a life listens, again when health has its address, and takes it
away at the life's end; `jedel doctor`, load runs and scripts read it. Rules: the file is written beside and moved, so nobody
reads half of it; a process replaces and removes what is its own, and leaves the file of a process that has taken over; it tells
and does nothing, so that a disk that is full or read-only costs the file, with a warning, and never the life.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

READY_FILE: Final = "serve.json"

_log = structlog.get_logger("ready")


class ReadyFile:
    """The ready file of this process.

    Args:
        data_dir: where it lies.
        dsn: the database that the process works with.
        centre: the name of its centre.
    """

    def __init__(self, data_dir: Path, dsn: str, centre: str) -> None:
        self._file = data_dir / READY_FILE
        self._about = {"pid": os.getpid(), "centre": centre, "dsn": dsn}
        self._bound: dict[str, tuple[str, int]] = {}

    def write(self, bound: Mapping[str, tuple[str, int]]) -> None:
        """Tells that this process is active and where it listens: key of section `listen` → address.

        Where it cannot be written, the log says so, and what stood there before stays.
        """
        self._bound = dict(bound)
        draft = self._file.with_name(f"{READY_FILE}.{os.getpid()}")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(json.dumps({**self._about, **bound}), encoding="utf-8")
            draft.replace(self._file)
        except OSError as error:
            with suppress(OSError):
                draft.unlink()
            self._warn("the ready file is not written", error)

    def add(self, key: str, address: tuple[str, int]) -> None:
        """Tells of one more address, where the file is this process's; as `write`."""
        if self._is_ours():
            self.write({**self._bound, key: address})

    def forget(self) -> None:
        """Takes the file away, where it is this process's. Where it cannot be taken away, the log says so."""
        if self._is_ours():
            try:
                self._file.unlink()
            except OSError as error:
                self._warn("the ready file stays", error)

    def _is_ours(self) -> bool:
        try:
            told: object = json.loads(self._file.read_bytes())
        except FileNotFoundError:
            return False
        except (OSError, ValueError) as error:
            # Empty or torn by somebody else's hand: nothing in it says that it is this process's.
            self._warn("the ready file cannot be read", error)
            return False
        return isinstance(told, dict) and told.get("pid") == os.getpid()

    def _warn(self, event: str, error: Exception) -> None:
        _log.warning(event, file=str(self._file), reason=str(error))
