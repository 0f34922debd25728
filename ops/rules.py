"""The configuration in the terms of those who obey it: the engine's rules and the sessions' bounds."""

from __future__ import annotations

from datetime import time

from core.context import Scope
from core.correlate import CorrelateRules
from core.instant import SECOND_US
from core.limits import QUEUE_LOOK
from core.plausible import PlausibleRules
from core.roster.local_time import zone_of
from core.signal import SignalRules
from core.state import CentreRules
from core.terms import TermLengths
from ops.config import Config, Limits
from ops.upkeep import Nightly
from protocols.ingest.state import SessionLimits
from storage.partitions import Retention


def centre_rules(config: Config) -> CentreRules:
    """What the engine goes by."""
    return CentreRules(
        centre=config.centre.name,
        region=config.centre.region,
        territory=config.centre.territory,
        terms=TermLengths(
            accept_us=_length_us(config.terms.accept_s),
            no_crew_us=_length_us(config.terms.no_crew_s),
            on_scene_us=_length_us(config.terms.on_scene_s),
            review_us=_length_us(config.terms.review_s),
            pace=config.terms.pace,
        ),
        correlate=CorrelateRules(
            repeat_window_us=config.correlate.repeat_window_s * SECOND_US,
            device_window_us=config.correlate.device_window_s * SECOND_US,
        ),
        signal=SignalRules(
            stale_us=round(config.positions.stale_s * SECOND_US), lost_us=round(config.positions.lost_s * SECOND_US)
        ),
        plausible=PlausibleRules(speed_mps=config.positions.jump_mps),
        position_interval_us=config.positions.keep_interval_s * SECOND_US,
        repeat_quiet_us=config.correlate.repeat_quiet_s * SECOND_US,
        is_relieving=config.assign.policy == "relieving",
    )


def _length_us(length_s: float) -> int | None:
    return round(length_s * SECOND_US) or None


def queue_look(config: Config) -> int:
    """How many waiting needs contend for a crew that frees (`core.ports.CrewIndex.queue_look`)."""
    return 1 if config.assign.policy == "nearest_free" else QUEUE_LOOK


def descriptors_wanted(bounds: Limits) -> int:
    """File descriptors that every connection which is allowed finds one of, and as many again for everything else."""
    return 2 * (bounds.connections_max + bounds.half_open_max + bounds.clients_max)


def session_limits(config: Config) -> SessionLimits:
    """What an ingest session goes by."""
    bounds = config.limits
    return SessionLimits(
        frame_max_bytes=bounds.frame_max_bytes,
        hello_timeout_s=bounds.hello_timeout_s,
        idle_timeout_s=bounds.idle_timeout_s,
        window_events=bounds.window_events,
        window_bytes=bounds.window_bytes,
        events_per_s=bounds.events_per_s or None,
    )


def context_scope(config: Config) -> Scope:
    """How far an incident's context looks."""
    return Scope(
        near_m=config.context.near_m,
        near_days=config.context.near_days,
        road_m=config.context.road_m,
        road_days=config.context.road_days,
        road_categories=tuple(config.context.road_categories.split(",")),
    )


def nightly(config: Config) -> Nightly | None:
    """When storage is pruned; None where somebody else calls for it."""
    prune_at = config.storage.prune_at
    return Nightly(time.fromisoformat(prune_at), zone_of(config.centre.time_zone)) if prune_at else None


def retention(config: Config) -> Retention:
    """How long storage keeps what."""
    return Retention(
        event_days=config.storage.event_days,
        incident_days=config.storage.incident_days,
        position_days=config.storage.position_days,
    )
