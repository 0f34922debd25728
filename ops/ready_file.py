"""The ready file: what the active process tells whoever shares its data directory: its number, centre, database and addresses.

Place in the flow: beside it. `ops.life` writes the file when a life listens, again when health has its address, and takes it
away at the life's end; `jedel doctor`, load runs and scripts read it. Rules: the file is written beside and moved, so nobody
reads half of it; a process replaces and removes what is its own, and leaves the file of a process that has taken over.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

READY_FILE: Final = "serve.json"


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
        """Tells that this process is active and where it listens: key of section `listen` → address. Raises `OSError`."""
        self._bound = dict(bound)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        draft = self._file.with_name(f"{READY_FILE}.{os.getpid()}")
        draft.write_text(json.dumps({**self._about, **bound}), encoding="utf-8")
        draft.replace(self._file)

    def add(self, key: str, address: tuple[str, int]) -> None:
        """Tells of one more address, where the file is this process's. Raises `OSError`."""
        if self._is_ours():
            self.write({**self._bound, key: address})

    def forget(self) -> None:
        """Takes the file away, where it is this process's. Raises `OSError`."""
        if self._is_ours():
            self._file.unlink()

    def _is_ours(self) -> bool:
        try:
            told: dict[str, object] = json.loads(self._file.read_bytes())
        except FileNotFoundError:
            return False
        return told["pid"] == os.getpid()
