"""The demo's service: the simulated city imported as any city is, and `jedel serve` on it.

Place in the flow: before and beside the demo. Rules: nothing of the city reaches the service but by its files and the import
commands.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from loadtest.city import CITY_TERRITORY, City
from loadtest.city_files import write_city
from ops.own_service import OwnService, own_service

CONFIGURATION: Final = f"""\
[centre]
name = "demo"
region = "KZ"
territory = "{CITY_TERRITORY}"

[terms]
accept_s = 5
no_crew_s = 10
"""
"""Terms short enough for some of them to pass within the demo."""


@contextmanager
def demo_service(city: City, folder: Path, configuration: str = CONFIGURATION) -> Iterator[OwnService]:
    """A service of the demo's own, or of a load run's, with the city imported. Raises what `own_service` raises."""
    files = write_city(city, folder)
    imports = (
        ("map", "import", str(files.extract)),
        ("territory", "import", str(files.territories)),
        ("subscribers", "import", str(files.subscribers)),
        ("devices", "import", str(files.devices)),
    )
    with own_service(folder, configuration, imports) as service:
        yield service
