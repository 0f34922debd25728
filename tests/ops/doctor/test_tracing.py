"""Traces that would go nowhere are told."""

from __future__ import annotations

import sys

import pytest

from ops.config import Config, Traces
from ops.doctor import tracing
from tests.adapters.sending import closed_port
from tests.ops.collector import collecting
from tests.ops.doctor.worlds import has, look, world


def lines_of(endpoint: str) -> list[str]:
    return look(tracing.check, world(Config(traces=Traces(endpoint=endpoint))))


def test_no_endpoint_is_fine() -> None:
    assert has(lines_of(""), "ok: traces.endpoint is not set")


def test_collector_is_connected_to() -> None:
    with collecting() as collector:
        assert has(lines_of(collector.url), "ok: traces.endpoint", "there")
    assert has(lines_of(f"http://127.0.0.1:{closed_port()}/v1/traces"), "warning: traces.endpoint", "spans are dropped")
    assert has(lines_of("http://127.0.0.1:99999/v1/traces"), "fault: traces.endpoint", "correct traces.endpoint")


def test_missing_extra_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk", None)
    assert has(lines_of("http://127.0.0.1:4318/v1/traces"), "fault:", "not installed", "pip install 'jedel[traces]'")
