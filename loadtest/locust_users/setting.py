"""A run's setting, in a file that the launcher writes and every locust process and the verification read.

Place in the flow: before it. Rules: the file is all that the processes of a run have in common, so a worker needs nothing but
the folder's name, in the variable `LOAD_FOLDER`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

from loadtest.city import City

FOLDER_VARIABLE: Final = "LOAD_FOLDER"
FILE: Final = "load.json"


class CitySize(msgspec.Struct, frozen=True):
    """The city that is played; every process makes it anew out of these."""

    seed: int = 1
    districts: int = 8
    streets: int = 80
    crews: int = 300
    cameras: int = 400
    panels: int = 400
    subscribers: int = 20_000

    def build(self) -> City:
        """The city. O(houses)."""
        return City(
            self.seed,
            districts=self.districts,
            streets=self.streets,
            crews=self.crews,
            cameras=self.cameras,
            subscribers=self.subscribers,
            panels=self.panels,
        )


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """Where the service is, and what is played to it."""

    shape: str
    """A key of `loadtest.locust_users.plan.PLANS`."""
    seconds: float
    """How long new events are due."""
    times: float = 1.0
    """Everything so many times as often."""
    ingest_tcp: tuple[str, int]
    ingest_ws: tuple[str, int]
    dispatch: tuple[str, int]
    source_token: str
    """Good for any source."""
    client_token: str
    """Of a shift lead who sees everything."""
    city: CitySize = CitySize()
    by_district: bool = True
    """Whether every other dispatch client watches one district: the centre has the city's territories."""
    only: str = ""
    """The one user class that is spawned; empty for all."""
    drain_s: float = 60.0
    """How long what was sent may take to be acknowledged, and then to be published."""


def write(setting: Setting, folder: Path) -> None:
    """Writes a run's setting. Raises `OSError`."""
    (folder / FILE).write_bytes(msgspec.json.format(msgspec.json.encode(setting)))


def read(folder: Path) -> Setting:
    """A run's setting. Raises `OSError`, `msgspec.DecodeError`."""
    return msgspec.json.decode((folder / FILE).read_bytes(), type=Setting)


def named_folder() -> Path:
    """The folder that the environment names. Raises `SystemExit` with a line for a person."""
    name = os.environ.get(FOLDER_VARIABLE)
    if not name:
        raise SystemExit(f"{FOLDER_VARIABLE} must name a run's folder; `python -m loadtest.load` makes one")
    return Path(name)
