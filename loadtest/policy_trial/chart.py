"""The comparison of policies as a drawing: late share over load, a panel a setting, in SVG and by hand.

Place in the flow: outside it. Rules: pure text; the same rows give the same drawing.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import log2
from typing import Final

from loadtest.policy_trial.measure import Row

COLOURS: Final = ("#1b6ca8", "#c0392b", "#1e8449", "#8e44ad", "#b9770e", "#555555", "#00838f", "#6d4c41", "#7cb342")
WIDTH: Final = 360
HEIGHT: Final = 240
MARGIN: Final = 44


def draw(rows: Sequence[Row]) -> str:
    """The drawing. Whiskers are 95 % intervals; the dashed line is the hindsight."""
    settings = list(dict.fromkeys(row.setting for row in rows))
    policies = list(dict.fromkeys(row.policy for row in rows))
    panels = [
        f'<g transform="translate({(WIDTH + 20) * (place % 2)},{(HEIGHT + 40) * (place // 2)})">'
        f"{_panel(setting, rows, policies)}</g>"
        for place, setting in enumerate(settings)
    ]
    below = (HEIGHT + 40) * ((len(settings) + 1) // 2)
    legend = "".join(
        f'<text x="{20 + 150 * (place % 5)}" y="{below + 16 + 18 * (place // 5)}" '
        f'fill="{COLOURS[place % len(COLOURS)]}">{escape(name)}</text>'
        for place, name in enumerate([*policies, "hindsight (dashed)"])
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * WIDTH + 40} {below + 60}" '
        f'font-family="sans-serif" font-size="11">{"".join(panels)}{legend}</svg>\n'
    )


def _panel(setting: str, rows: Sequence[Row], policies: Sequence[str]) -> str:
    own = [row for row in rows if row.setting == setting]
    top = max(0.01, *(row.late_share.high or 0.0 for row in own))
    loads = sorted({row.load for row in own})
    span = max(log2(loads[-1] / loads[0]), 1.0)

    def x(load: float) -> float:
        return MARGIN + log2(load / loads[0]) / span * (WIDTH - 2 * MARGIN)

    def y(share: float) -> float:
        return HEIGHT - MARGIN - share / top * (HEIGHT - 2 * MARGIN)

    parts = [
        f'<text x="{MARGIN}" y="20" font-weight="bold">{escape(setting)}: share late</text>',
        f'<path d="M{MARGIN} {y(0):.1f}H{WIDTH - MARGIN}M{MARGIN} {y(0):.1f}V{y(top):.1f}" stroke="#999" fill="none"/>',
        f'<text x="4" y="{y(top):.1f}">{top:.0%}</text><text x="20" y="{y(0):.1f}">0</text>',
    ]
    parts += [f'<text x="{x(load):.1f}" y="{HEIGHT - MARGIN + 16}">×{load:g}</text>' for load in loads]
    for place, policy in enumerate(policies):
        line = [(row.load, row.late_share) for row in own if row.policy == policy]
        colour = COLOURS[place % len(COLOURS)]
        shift = 3.0 * (place - len(policies) / 2)
        points = " ".join(f"{x(load) + shift:.1f},{y(share.value):.1f}" for load, share in line)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}"/>')
        parts += [
            f'<path d="M{x(load) + shift:.1f} {y(share.low):.1f}V{y(share.high or 0.0):.1f}" stroke="{colour}"/>'
            for load, share in line
        ]
    known = {row.load: row.hindsight_late_share for row in own if row.hindsight_late_share is not None}
    points = " ".join(f"{x(load):.1f},{y(share):.1f}" for load, share in sorted(known.items()))
    parts.append(
        f'<polyline points="{points}" fill="none" stroke="{COLOURS[len(policies) % len(COLOURS)]}" stroke-dasharray="4 3"/>'
    )
    return "".join(parts)
