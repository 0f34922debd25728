"""Trace contexts of the W3C: which trace a source's event belongs to, as its `traceparent` and `tracestate` say.

Place in the flow: event → incident, and the spans made after the commit. Pure. Rules:
- A context that cannot be read is no fault of the event, and no call is refused for it: it is as if there were none, and
  whoever makes spans begins a trace of its own ("restart the trace"). Then the `tracestate` counts for nothing either.
- A version that is not known yet is read as far as version 00 goes, if it has the same beginning (3.2.4). What is passed on is
  always version 00, with the two flags that are known.
- A `tracestate` that breaks its grammar is left out as a whole, one that is too long is shortened as 3.3.1.5 says.
Source: W3C Recommendation Trace Context (23 November 2021), and Level 2 (flag `random`).
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

SAMPLED: Final = 0x01
RANDOM: Final = 0x02
STATE_MAX: Final = 512
"""Characters of a `tracestate` that are passed on: what every participant should (3.3.1.5)."""
STATE_MEMBERS_MAX: Final = 32
_LARGE_MEMBER: Final = 128
"""A member longer than this goes first where a state is too long."""
_READ_MAX: Final = 8192
"""A longer text is not even looked at: no trace system writes one."""
_OWS: Final = " \t"

_PARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL).fullmatch
_KEY: Final = r"[a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13}"
_VALUE: Final = r"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
_MEMBER: Final = re.compile(rf"({_KEY})={_VALUE}").fullmatch


class TraceContext(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Where an event stands in a trace that somebody else has begun."""

    trace_id: str
    """32 hexadecimal digits, not all zero."""
    parent_id: str
    """16 hexadecimal digits, not all zero: the span in which the event was sent."""
    flags: int = 0
    state: str = ""
    """The `tracestate`, as it is passed on."""

    @property
    def is_sampled(self) -> bool:
        """Whether who sent it records this trace."""
        return bool(self.flags & SAMPLED)

    @property
    def traceparent(self) -> str:
        """As it is passed on, in version 00."""
        return f"00-{self.trace_id}-{self.parent_id}-{self.flags:02x}"


def read_trace(traceparent: object, tracestate: object = "") -> TraceContext | None:
    """The context that two fields of an event give, or None where they give none that can be read.

    Args:
        traceparent: whatever stands there.
        tracestate: likewise; several header lines are joined by commas.
    """
    if not isinstance(traceparent, str) or len(traceparent) > _READ_MAX:
        return None
    found = _PARENT(traceparent.strip(_OWS))
    if found is None:
        return None
    version, trace_id, parent_id, flags, more = found.groups()
    if version == "ff" or (version == "00" and more is not None):
        return None
    if not trace_id.strip("0") or not parent_id.strip("0"):
        return None
    # Of another version only the flag `sampled` means what it means here (3.2.4).
    known = SAMPLED | RANDOM if version == "00" else SAMPLED
    return TraceContext(trace_id, parent_id, int(flags, 16) & known, read_state(tracestate))


def read_state(tracestate: object) -> str:
    """A `tracestate` as it is passed on: without blanks around its members, bounded; `""` where it breaks the grammar."""
    if not isinstance(tracestate, str) or not tracestate or len(tracestate) > _READ_MAX:
        return ""
    members = [member for part in tracestate.split(",") if (member := part.strip(_OWS))]
    if len(members) > STATE_MEMBERS_MAX:
        return ""
    keys: set[str] = set()
    for member in members:
        found = _MEMBER(member)
        if found is None or found[1] in keys:
            return ""
        keys.add(found[1])
    return ",".join(_shortened(members))


def _shortened(members: list[str]) -> list[str]:
    """The members that are passed on: the large ones go first, then the last ones, for the first is the newest."""
    if _length(members) > STATE_MAX:
        for member in [one for one in reversed(members) if len(one) > _LARGE_MEMBER]:
            members.remove(member)
            if _length(members) <= STATE_MAX:
                break
    while _length(members) > STATE_MAX:
        members.pop()
    return members


def _length(members: list[str]) -> int:
    return sum(map(len, members)) + max(0, len(members) - 1)
