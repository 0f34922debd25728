"""The alerts: what Prometheus' own tools say of them, each firing where it should and keeping still just short of it."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import msgspec
import pytest

from ops.metrics import CATALOGUE, Kind
from ops.observe.dashboard import queries_of
from ops.observe.panels import ROWS
from tests.ops.observe.rules import ALERTS, CONFIGURATION, GROUPS, METRIC, RULES, Alert, runbooks

END_TO_END = Path(__file__).parents[2] / "end_to_end"
LIBRARY = {"up", "process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds", "process_max_fds"}
LIBRARY |= {"process_start_time_seconds"}
"""Names that Prometheus and its client library give."""


class Case(msgspec.Struct, frozen=True):
    """An alert, the series that make it fire by a time, and near ones that do not."""

    alert: str
    by: str
    """When it has to fire, and by when the quiet ones still must not."""
    fires: dict[str, str]
    quiet: dict[str, str]
    burn: str = ""
    step: str = "1m"
    """Between two samples."""


CENTRE = 'job="jedel",instance="a"'
OTHER = 'job="jedel",instance="b"'
BUCKET, COUNT = "jedel_acknowledgement_seconds_bucket", "jedel_acknowledgement_seconds_count"
LATE_BUCKET, LATE_COUNT = "jedel_term_lateness_seconds_bucket", "jedel_term_lateness_seconds_count"
WORKS = {f'jedel_state{{{CENTRE},state="active"}}': "1+0x5000"}


def acknowledged(within: int, others_within: int) -> dict[str, str]:
    """So many of 10 000 calls a minute acknowledged within 100 ms, and of a million other events, for long enough."""
    return of_urgency("call", f"0+{within}x200", "0+10000x200") | of_urgency("other", f"0+{others_within}x200", "0+1000000x200")


def of_urgency(urgency: str, within: str, count: str) -> dict[str, str]:
    labels = f'{CENTRE},urgency="{urgency}"'
    return {f'{BUCKET}{{{labels},le="0.1"}}': within, f"{COUNT}{{{labels}}}": count}


ALL, NONE = 1_000_000, 0
"""Of the other events: a flood in time must not hide late calls, and a late one alone is no alert."""


def of_source(name: str, values: str, source: str = "phone") -> dict[str, str]:
    return {f'{name}{{{CENTRE},source="{source}"}}': values}


def gauge(name: str, values: str, labels: str = CENTRE) -> dict[str, str]:
    return {f"{name}{{{labels}}}": values}


def disk(free: str, size: int) -> dict[str, str]:
    labels = f'{CENTRE},folder="data"'
    return gauge("jedel_disk_free_bytes", free, labels) | gauge("jedel_disk_size_bytes", f"{size}+0x100", labels)


CASES = [
    Case("JedelAcknowledgementsSlow", "70m", acknowledged(9_850, ALL), acknowledged(9_870, NONE), burn="14.4"),
    Case("JedelAcknowledgementsSlow", "370m", acknowledged(9_930, ALL), acknowledged(9_950, NONE), burn="6", step="5m"),
    Case("JedelAcknowledgementsSlow", "1500m", acknowledged(9_960, ALL), acknowledged(9_975, NONE), burn="3", step="30m"),
    Case("JedelAcknowledgementsSlow", "4500m", acknowledged(9_980, ALL), acknowledged(9_992, NONE), burn="1", step="30m"),
    # An hour of bad ones that is over: the short window has ended the alert.
    Case(
        "JedelAcknowledgementsSlow",
        "80m",
        acknowledged(9_000, ALL),
        of_urgency("call", "0+9000x60 550000+10000x60", "0+10000x120"),
        burn="14.4",
    ),
    Case(
        "JedelTermsLate",
        "12m",
        {f'{LATE_BUCKET}{{{CENTRE},le="1.0"}}': "0+5x20", f"{LATE_COUNT}{{{CENTRE}}}": "0+5x9 51+5x10"},
        {f'{LATE_BUCKET}{{{CENTRE},le="1.0"}}': "0+5x20", f"{LATE_COUNT}{{{CENTRE}}}": "0+5x20"},
    ),
    Case(
        "JedelNoActiveProcess",
        "3m",
        gauge("up", "1+0x20") | gauge("jedel_state", "0+0x20", f'{CENTRE},state="active"'),
        # The active one dies, and the standby has taken over within the next scrape.
        gauge("up", "1 0+0x20")
        | gauge("up", "1+0x20", OTHER)
        | gauge("jedel_state", "1 stale", f'{CENTRE},state="active"')
        | gauge("jedel_state", "0 1+0x20", f'{OTHER},state="active"'),
    ),
    Case("JedelUnwatched", "3m", gauge("up", "1+0x20", 'job="node",instance="a"'), gauge("up", "0+0x20")),
    Case("JedelProcessUnreachable", "3m", gauge("up", "0+0x20"), gauge("up", "0 1 0 1 0 1")),
    Case(
        "JedelNobodyStandsBy",
        "12m",
        gauge("up", "1+0x20") | gauge("jedel_state", "0+0x20", f'{CENTRE},state="standby"'),
        gauge("up", "1+0x20") | gauge("jedel_state", "1+0x20", f'{OTHER},state="standby"'),
    ),
    Case(
        "JedelLivesEnd",
        "30m",
        gauge("jedel_lives_ended_total", "0 1 2 3+0x60", f'{CENTRE},reason="lost"'),
        gauge("jedel_lives_ended_total", "0+0x9 1+0x60", f'{CENTRE},reason="lost"'),
    ),
    Case(
        "JedelEngineFault",
        "12m",
        gauge("jedel_stage_errors_total", "0+0x9 1+0x60", f'{CENTRE},stage="correlate",reason="internal_fault"'),
        gauge("jedel_stage_errors_total", "0+9x60", f'{CENTRE},stage="correlate",reason="unknown_crew"'),
    ),
    Case(
        "JedelLoopStuck",
        "2m",
        gauge("jedel_loop_beat_timestamp_seconds", "0 60+0x9", f'{CENTRE},loop="trio"'),
        gauge("jedel_loop_beat_timestamp_seconds", "0+60x9", f'{CENTRE},loop="trio"'),
    ),
    Case(
        "JedelLoopLate",
        "20m",
        {
            f'jedel_loop_lag_seconds_bucket{{{CENTRE},loop="trio",le="0.25"}}': "0+980x60",
            f'jedel_loop_lag_seconds_bucket{{{CENTRE},loop="trio",le="0.5"}}': "0+1000x60",
            f'jedel_loop_lag_seconds_bucket{{{CENTRE},loop="trio",le="+Inf"}}': "0+1000x60",
        },
        {
            f'jedel_loop_lag_seconds_bucket{{{CENTRE},loop="trio",le="0.25"}}': "0+995x60",
            f'jedel_loop_lag_seconds_bucket{{{CENTRE},loop="trio",le="0.5"}}': "0+1000x60",
            f'jedel_loop_lag_seconds_bucket{{{CENTRE},loop="trio",le="+Inf"}}': "0+1000x60",
        },
    ),
    Case(
        "JedelMemoryGrows",
        "500m",
        gauge("process_resident_memory_bytes", "1000000000+7500000x120") | gauge("process_start_time_seconds", "0+0x120"),
        gauge("process_resident_memory_bytes", "1000000000+5000000x120") | gauge("process_start_time_seconds", "0+0x120"),
        step="5m",
    ),
    Case(
        "JedelFilesNearBound",
        "3m",
        gauge("process_open_fds", "820+0x20") | gauge("process_max_fds", "1024+0x20"),
        gauge("process_open_fds", "810+0x20") | gauge("process_max_fds", "1024+0x20"),
    ),
    Case(
        "JedelClockOff",
        "5m",
        gauge("jedel_loop_beat_timestamp_seconds", "3+60x20", f'{CENTRE},loop="host"'),
        # One loop stands still, which is another alert; the clock is right.
        gauge("jedel_loop_beat_timestamp_seconds", "0+60x20", f'{CENTRE},loop="host"')
        | gauge("jedel_loop_beat_timestamp_seconds", "0+0x20", f'{CENTRE},loop="trio"'),
    ),
    Case("JedelTimeAhead", "3m", gauge("jedel_time_ahead_seconds", "2.1+0x20"), gauge("jedel_time_ahead_seconds", "1.9+0x20")),
    Case(
        "JedelCertificateExpires",
        "10m",
        # Seconds since the beginning of the test.
        gauge("jedel_tls_certificate_expiry_timestamp_seconds", f"{14 * 86_400 + 540}+0x20"),
        gauge("jedel_tls_certificate_expiry_timestamp_seconds", f"{14 * 86_400 + 660}+0x20"),
    ),
    Case(
        "JedelDiskNearlyFull",
        "3m",
        disk("2000000000+0x20", size=10**12),
        disk("2200000000+0x20", size=10**12),
    ),
    # 25 GB in six hours leave nothing of 90 GB within a day; 20 GB do.
    Case(
        "JedelDiskNearlyFull",
        "360m",
        disk("115000000000-347222222x72", size=6 * 10**11),
        disk("110000000000-277777777x72", size=6 * 10**11),
        step="5m",
    ),
    # As fast on a disk of which most is free.
    Case(
        "JedelDiskNearlyFull",
        "360m",
        disk("115000000000-347222222x72", size=6 * 10**11),
        disk("115000000000-347222222x72", size=2 * 10**11),
        step="5m",
    ),
    # As fast, and seen for two hours only.
    Case(
        "JedelDiskNearlyFull",
        "360m",
        disk("115000000000-347222222x72", size=6 * 10**11),
        disk("_x48 98000000000-347222222x24", size=6 * 10**11),
        step="5m",
    ),
    Case(
        "JedelDatabaseAway",
        "3m",
        gauge("jedel_hindrance", "1+0x20", f'{CENTRE},reason="database_away"'),
        gauge("jedel_hindrance", "0 1 0+0x20", f'{CENTRE},reason="database_away"'),
    ),
    Case(
        "JedelCommitStuck",
        "1m",
        gauge("jedel_commit_under_way_seconds", "6+0x9"),
        gauge("jedel_commit_under_way_seconds", "4+0x9"),
    ),
    Case(
        "JedelCommitsFail",
        "12m",
        gauge("jedel_stage_errors_total", "0+0x9 1+0x60", f'{CENTRE},stage="persist",reason="unreachable"'),
        gauge("jedel_stage_errors_total", "5+0x60", f'{CENTRE},stage="persist",reason="unreachable"'),
    ),
    Case(
        "JedelInletNearBound",
        "2m",
        gauge("jedel_inlet_bytes", "60+0x9") | gauge("jedel_inlet_limit_bytes", "100+0x9"),
        gauge("jedel_inlet_bytes", "40+0x9") | gauge("jedel_inlet_limit_bytes", "100+0x9"),
    ),
    Case(
        "JedelCallsUnassigned",
        "4m",
        gauge("jedel_open_incidents", "1+0x20", f'{CENTRE},state="queued",priority="2"') | WORKS,
        # What a process that was active once still shows, an incident that waits a minute, and one that may wait.
        gauge("jedel_open_incidents", "1+0x20", f'{OTHER},state="queued",priority="1"')
        | gauge("jedel_open_incidents", "1 0 1 0 1 0+0x20", f'{CENTRE},state="queued",priority="2"')
        | gauge("jedel_open_incidents", "1+0x20", f'{CENTRE},state="queued",priority="3"')
        | WORKS,
    ),
    Case(
        "JedelSourceAway",
        "40m",
        of_source("jedel_source_connected", "0+0x60") | of_source("jedel_source_events_total", "0+5x20 100+0x60") | WORKS,
        of_source("jedel_source_connected", "0+0x60") | of_source("jedel_source_events_total", "0 3+0x60") | WORKS,
    ),
    Case(
        "JedelSourceSilent",
        "240m",
        of_source("jedel_source_events_total", "0+50x40 2000+0x20") | of_source("jedel_source_connected", "1+0x60"),
        of_source("jedel_source_events_total", "0+5x40 200+0x20") | of_source("jedel_source_connected", "1+0x60"),
        step="5m",
    ),
    Case(
        "JedelSourceLags",
        "8m",
        of_source("jedel_source_lag_seconds", "40+0x20") | of_source("jedel_source_events_total", "0+1x20") | WORKS,
        of_source("jedel_source_lag_seconds", "20+0x20") | of_source("jedel_source_events_total", "0+1x20") | WORKS,
    ),
    Case(
        "JedelSourceLags",
        "8m",
        of_source("jedel_source_lag_seconds", "-9+0x20") | of_source("jedel_source_events_total", "0+1x20") | WORKS,
        # An old lag of a source that says nothing more.
        of_source("jedel_source_lag_seconds", "-9+0x20") | of_source("jedel_source_events_total", "7+0x20") | WORKS,
    ),
    Case(
        "JedelSourceRefused",
        "12m",
        of_source("jedel_source_rejected_total", "0+10x60") | of_source("jedel_source_events_total", "0+100x60"),
        of_source("jedel_source_rejected_total", "0+4x60") | of_source("jedel_source_events_total", "0+100x60"),
    ),
    Case(
        "JedelTellingsOverdue",
        "3m",
        gauge("jedel_outbox_overdue_seconds", "130+0x9"),
        gauge("jedel_outbox_overdue_seconds", "110+0x9"),
    ),
    Case(
        "JedelChannelFails",
        "30m",
        gauge("jedel_deliveries_total", "0+6x60", f'{CENTRE},channel="sms",outcome="unreachable"')
        | gauge("jedel_deliveries_total", "0+4x60", f'{CENTRE},channel="sms",outcome="sent"'),
        gauge("jedel_deliveries_total", "0+4x60", f'{CENTRE},channel="sms",outcome="unreachable"')
        | gauge("jedel_deliveries_total", "0+6x60", f'{CENTRE},channel="sms",outcome="sent"'),
    ),
    Case(
        "JedelNobodyToTell",
        "12m",
        gauge("jedel_tellings_unreached_total", "0+0x9 1+0x9"),
        gauge("jedel_tellings_unreached_total", "9+0x20"),
    ),
    Case(
        "JedelSlowClientsCut",
        "12m",
        gauge("jedel_dispatch_goodbyes_total", "0+0x9 1+0x9", f'{CENTRE},reason="too_slow"'),
        gauge("jedel_dispatch_goodbyes_total", "0+3x20", f'{CENTRE},reason="idle"'),
    ),
    Case(
        "JedelPeersNearBound",
        "3m",
        gauge("jedel_ingest_connections", "90+0x9") | gauge("jedel_ingest_connections_limit", "100+0x9"),
        gauge("jedel_dispatch_clients", "70+0x9") | gauge("jedel_dispatch_clients_limit", "100+0x9"),
    ),
]


def unit_test(case: Case, series: dict[str, str], fires: bool) -> dict[str, object]:
    """One of promtool's unit tests: whether the alert fires, out of the series that Prometheus makes of firing alerts."""
    burn = f',burn="{case.burn}"' if case.burn else ""
    expr = f'count by (alertname) (ALERTS{{alertname="{case.alert}",alertstate="firing"{burn}}})'
    expected = [{"labels": f'{{alertname="{case.alert}"}}', "value": 1}] if fires else []
    return {
        "name": f"{case.alert} {case.burn} {'fires' if fires else 'keeps still'}",
        "interval": case.step,
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [{"expr": expr, "eval_time": case.by, "exp_samples": expected}],
    }


@pytest.mark.program("promtool")
def test_alerts_fire_where_they_should_and_nowhere_near(tmp_path: Path) -> None:
    # Rules are evaluated at one pace a file, and days of them at the pace of minutes would take minutes.
    steps = sorted({case.step for case in CASES})
    files = [tmp_path / f"{step}.yml" for step in steps]
    for file, step in zip(files, steps, strict=True):
        tests = [
            unit_test(case, series, fires)
            for case in CASES
            if case.step == step
            for series, fires in ((case.fires, True), (case.quiet, False))
        ]
        # Prometheus evaluates groups beside each other, promtool in any order: alerts after what they are about.
        order = {"rule_files": [str(RULES)], "evaluation_interval": step, "group_eval_order": GROUPS, "tests": tests}
        # JSON is YAML.
        file.write_text(json.dumps(order), encoding="utf-8")
    done = subprocess.run(["promtool", "test", "rules", *map(str, files)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_case() -> None:
    assert {(case.alert, case.burn) for case in CASES} == {(alert.alert, alert.labels.get("burn", "")) for alert in ALERTS}


@pytest.mark.program("promtool")
@pytest.mark.parametrize(
    "arguments", [("check", "rules", RULES), ("check", "config", CONFIGURATION)], ids=lambda words: words[1]
)
def test_promtool_finds_nothing_wrong(arguments: tuple[str, str, Path]) -> None:
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: f"{alert.alert}{alert.labels.get('burn', '')}")
def test_alert_says_what_to_do(alert: Alert) -> None:
    assert alert.labels["severity"] in ("page", "ticket")
    assert set(alert.annotations) == {"summary", "description", "runbook_url"}
    assert alert.annotations["runbook_url"] == f"ops/RUNBOOKS.md#{alert.alert.lower()}"
    assert alert.alert in runbooks()


def test_runbooks_are_of_alerts_that_exist() -> None:
    assert set(runbooks()) == {alert.alert for alert in ALERTS}
    named = {name for row in ROWS for panel in row.panels for name in re.findall(r"Jedel\w+", panel.explanation)}
    assert named <= set(runbooks())


def names_exposed() -> set[str]:
    """Every name of a series that a centre's page has."""
    found = set(LIBRARY)
    for family in CATALOGUE:
        histogram = family.kind is Kind.HISTOGRAM
        found |= {f"{family.name}_bucket", f"{family.name}_count", f"{family.name}_sum"} if histogram else {family.name}
    return found


def test_queries_and_alerts_name_metrics_that_exist() -> None:
    asked = [expr for _, expr in queries_of(ROWS)] + [alert.expr for alert in ALERTS]
    named = {name for expr in asked for name in METRIC.findall(expr)}
    assert named - names_exposed() == set()


def test_bounds_asked_for_are_edges_of_buckets() -> None:
    # A bound that is no edge has no series, and an objective on it would be met by nobody.
    edges = {family.name: {repr(bound) for bound in family.bounds} for family in CATALOGUE}
    text = RULES.read_text(encoding="utf-8") + "\n".join(expr for _, expr in queries_of(ROWS))
    asked = re.findall(r'(jedel_\w+)_bucket\{[^}]*le="([^"]+)"', text)
    assert len(asked) > 10
    assert [(name, bound) for name, bound in asked if bound not in edges[name]] == []


def test_every_alert_is_tried_on_a_real_centre() -> None:
    tests = "".join(file.read_text(encoding="utf-8") for file in END_TO_END.glob("test_watched*.py"))
    assert set(runbooks()) - set(re.findall(r'\bsees\(watched, "(Jedel\w+)"', tests)) == set()


@pytest.mark.parametrize("part", ["Callers:", "See:", "Do:", "Wake:", "Tried:"])
def test_runbook_has_each_of_its_parts(part: str) -> None:
    assert [alert for alert, text in runbooks().items() if f"\n**{part}**" not in text] == []
