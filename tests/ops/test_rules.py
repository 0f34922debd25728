"""Nothing configured is lost on its way to those who obey it."""

from __future__ import annotations

from typing import get_args, get_type_hints

import msgspec

from core.context import Scope
from core.correlate import CorrelateRules
from core.limits import QUEUE_LOOK
from core.plausible import PlausibleRules
from core.signal import SignalRules
from core.state import CentreRules
from core.terms import TermLengths
from ops.config import Assign, Centre, Config, Context, Correlate, Limits, Positions, Storage, Terms
from ops.rules import centre_rules, context_scope, queue_look, retention, session_limits
from protocols.ingest.state import SessionLimits
from storage.partitions import Retention


def test_defaults_are_those_of_the_engine_and_the_sessions() -> None:
    assert centre_rules(Config()) == CentreRules()
    assert session_limits(Config()) == SessionLimits()
    assert retention(Config()) == Retention()
    assert context_scope(Config()) == Scope()


def test_every_value_arrives() -> None:
    rules = centre_rules(
        Config(
            centre=Centre(name="almaty", region="KG", territory="kz/almaty"),
            terms=Terms(accept_s=11, no_crew_s=12, on_scene_s=130, review_s=140),
            correlate=Correlate(repeat_window_s=15, device_window_s=16, repeat_quiet_s=17),
            positions=Positions(keep_interval_s=18, stale_s=19, lost_s=20.5, jump_mps=21),
            assign=Assign(policy="nearest_waiting"),
        )
    )
    assert rules == CentreRules(
        centre="almaty",
        region="KG",
        territory="kz/almaty",
        terms=TermLengths(accept_us=11_000_000, no_crew_us=12_000_000, on_scene_us=130_000_000, review_us=140_000_000),
        correlate=CorrelateRules(repeat_window_us=15_000_000, device_window_us=16_000_000),
        signal=SignalRules(stale_us=19_000_000, lost_us=20_500_000),
        plausible=PlausibleRules(speed_mps=21),
        position_interval_us=18_000_000,
        repeat_quiet_us=17_000_000,
        is_relieving=False,
    )
    # A field that joins the rules later and is not configured shows here.
    unlike = [name for name in msgspec.structs.asdict(rules) if getattr(rules, name) == getattr(CentreRules(), name)]
    assert unlike == []


def test_policy_says_how_many_contend_for_a_freed_crew_and_whether_it_relieves() -> None:
    found = {
        policy: (queue_look(config := Config(assign=Assign(policy=policy))), centre_rules(config).is_relieving)
        for policy in get_args(get_type_hints(Assign)["policy"])
    }
    assert found == {
        "nearest_free": (1, False),
        "nearest_waiting": (QUEUE_LOOK, False),
        "relieving": (QUEUE_LOOK, True),
    }
    assert Config().assign.policy == "relieving"


def test_days_of_each_kind_arrive() -> None:
    kept = retention(Config(storage=Storage(event_days=2, incident_days=3, position_days=4)))
    assert kept == Retention(event_days=2, incident_days=3, position_days=4)


def test_scope_of_a_context_arrives() -> None:
    scope = context_scope(
        Config(context=Context(near_m=1, near_days=2, road_m=3, road_days=4, road_categories="crash,road_fire"))
    )
    assert scope == Scope(near_m=1, near_days=2, road_m=3, road_days=4, road_categories=("crash", "road_fire"))


def test_rate_of_zero_is_no_bound() -> None:
    assert session_limits(Config(limits=Limits(events_per_s=0))).events_per_s is None
    assert session_limits(Config(limits=Limits(events_per_s=500))).events_per_s == 500
