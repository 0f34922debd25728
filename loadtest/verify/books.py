"""A run's folder as its processes left it: the setting, the runs' records and the workers' ledgers.

Place in the flow: after it. Rules: every ledger counts that lies there; several runs of one folder (the web UI can start one
after another) are proved together, because their names have nothing in common.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from loadtest.locust_users.account import LEDGER, RUN, RunRecord, WorkerLedger
from loadtest.locust_users.setting import Setting, read


class BooksError(Exception):
    """The folder is none of a run; the text says why."""


class Books(msgspec.Struct, frozen=True):
    """All that was written down."""

    setting: Setting
    runs: list[RunRecord]
    ledgers: list[WorkerLedger]


def open_books(folder: Path) -> Books:
    """Reads a run's folder. Raises `BooksError`."""
    try:
        setting = read(folder)
        runs = [msgspec.json.decode(path.read_bytes(), type=RunRecord) for path in sorted(folder.glob(f"{RUN}-*.json"))]
        ledgers = [
            msgspec.json.decode(path.read_bytes(), type=WorkerLedger) for path in sorted(folder.glob(f"{LEDGER}-*.json"))
        ]
    except (OSError, msgspec.DecodeError) as error:
        raise BooksError(f"{folder}: {error}") from None
    if not runs:
        raise BooksError(f"{folder}: no run has ended here")
    return Books(setting, runs, ledgers)
