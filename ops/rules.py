"""The configuration in the terms of those who obey it: the engine's rules and the sessions' bounds."""

from __future__ import annotations

from core.correlate import CorrelateRules
from core.instant import SECOND_US
from core.limits import QUEUE_LOOK
from core.state import CentreRules
from core.terms import TermLengths
from ops.config import Config
from protocols.ingest.state import SessionLimits
from storage.partitions import Retention


def centre_rules(config: Config) -> CentreRules:
    """What the engine goes by."""
    return CentreRules(
        centre=config.centre.name,
        region=config.centre.region,
        territory=config.centre.territory,
        terms=TermLengths(
            accept_us=round(config.terms.accept_s * SECOND_US),
            no_crew_us=round(config.terms.no_crew_s * SECOND_US),
            on_scene_us=round(config.terms.on_scene_s * SECOND_US),
            review_us=round(config.terms.review_s * SECOND_US),
        ),
        correlate=CorrelateRules(
            repeat_window_us=config.correlate.repeat_window_s * SECOND_US,
            device_window_us=config.correlate.device_window_s * SECOND_US,
        ),
        position_interval_us=config.positions.keep_interval_s * SECOND_US,
        repeat_quiet_us=config.correlate.repeat_quiet_s * SECOND_US,
    )


def queue_look(config: Config) -> int:
    """How many waiting needs contend for a crew that frees (`core.ports.CrewIndex.queue_look`)."""
    return QUEUE_LOOK if config.assign.policy == "nearest_waiting" else 1


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


def retention(config: Config) -> Retention:
    """How long storage keeps what."""
    return Retention(
        event_days=config.storage.event_days,
        incident_days=config.storage.incident_days,
        position_days=config.storage.position_days,
    )
