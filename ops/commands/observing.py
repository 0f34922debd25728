"""`jedel dashboard`: what Grafana shows of a centre."""

from __future__ import annotations

import json


def dashboard() -> None:
    """Prints the Grafana dashboard as JSON, to be imported or provisioned; ops/deploy/grafana/jedel.json is its copy."""
    from ops.observe.dashboard import dashboard as build
    from ops.observe.panels import ROWS

    print(json.dumps(build(ROWS), indent=1))
