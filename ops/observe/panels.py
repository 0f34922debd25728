"""The dashboard's rows: an SRE's questions in the order in which they are asked when the telephone rings.

Place in the flow: beside it; `ops.observe.dashboard` makes Grafana's JSON of them.
"""

from __future__ import annotations

from typing import Final

from ops.observe.calls import QUICK, SERVED, WAITS
from ops.observe.parts import PROCESS, SOURCES, STORES, TELLINGS, WATCHES

ROWS: Final = (SERVED, QUICK, WAITS, WATCHES, STORES, PROCESS, SOURCES, TELLINGS)
"""All of them, from top to bottom."""
