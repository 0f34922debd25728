"""The account of a run: every event sent, acknowledged, refused and seen in an incident, and how long each took.

Place in the flow: beside it, in the sources' and the client's hands. It is what a run's `lost=` is computed from, so it
believes nothing: an event counts as acknowledged only when an acknowledgement covers its number, and a call as published only
when an incident delivered to a client names it as `SOURCE/SEQ`. Rules: times are given by the caller, microseconds of one
monotonic clock; memory is bounded by what is under way, not by what has passed.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from math import exp, log
from typing import Final

import msgspec

_STEP: Final = log(1.01)
"""Latencies are told apart to one per cent."""


class Latencies:
    """A distribution of durations in microseconds, to one per cent, in bounded memory."""

    def __init__(self, buckets: Mapping[int, int] | None = None) -> None:
        """Goes on from what another one's `buckets` were."""
        self._buckets: Counter[int] = Counter(buckets or {})
        self.count = self._buckets.total()

    @property
    def buckets(self) -> dict[int, int]:
        """Bucket → durations in it: all that must be kept of the distribution."""
        return dict(self._buckets)

    def merge(self, buckets: Mapping[int, int]) -> None:
        """Adds what another one has counted."""
        self._buckets.update(buckets)
        self.count += sum(buckets.values())

    def add(self, duration_us: int, times: int = 1) -> None:
        """Counts a duration; less than a microsecond counts as one."""
        self._buckets[int(log(duration_us) / _STEP) if duration_us > 1 else 0] += times
        self.count += times

    def quantile_us(self, share: float) -> float:
        """The duration that this share (0 to 1) of all does not exceed, 0.0 when there are none. O(buckets)."""
        wanted = share * self.count
        passed = 0
        for bucket in sorted(self._buckets):
            passed += self._buckets[bucket]
            if passed >= wanted:
                return exp((bucket + 0.5) * _STEP)
        return 0.0


class Result(msgspec.Struct, frozen=True):
    """What came of a run."""

    sent: int
    acked: int
    """Covered by an acknowledgement; those answered with an error among them."""
    rejected: int
    """Answered with an error: told, so not lost."""
    watched: int
    """Calls and alarms sent, each of which must be seen in an incident."""
    seen: int
    """Of these, named by an incident that a client received."""
    unacknowledged: int
    unseen: int
    """Acknowledged calls and alarms, not refused, that no incident delivered has named."""
    ack_p50_us: float
    ack_p99_us: float
    seen_p50_us: float
    """From sending a call to receiving the incident that names it."""
    seen_p99_us: float

    @property
    def lost(self) -> int:
        """Events that nobody can say what became of; anything but 0 is a failure."""
        return self.unacknowledged + self.unseen


class _Account:
    """One source's events under way: when each number was sent, oldest first."""

    __slots__ = ("acked", "pending", "sent")

    def __init__(self) -> None:
        self.sent = 0
        self.acked = 0
        self.pending: deque[tuple[int, int, int]] = deque()
        """(first seq, last seq, sent_us) of each write."""


class Ledger:
    """See the module's rules."""

    def __init__(self) -> None:
        self.rejected: Counter[str] = Counter()
        """Errors by code."""
        self.ack_latency = Latencies()
        self.seen_latency = Latencies()
        self.watched = 0
        self.seen = 0
        self._accounts: dict[str, _Account] = {}
        self._unseen: dict[str, int] = {}
        """`SOURCE/SEQ` of watched events not seen yet → when sent."""

    @property
    def sent(self) -> int:
        """Events sent so far."""
        return sum(account.sent for account in self._accounts.values())

    @property
    def acked(self) -> int:
        """Events acknowledged so far."""
        return sum(account.acked for account in self._accounts.values())

    def acked_of(self, source: str) -> int:
        """Events of one source acknowledged so far."""
        return self._accounts[source].acked if source in self._accounts else 0

    @property
    def settled(self) -> bool:
        """Whether everything sent is acknowledged and every call seen."""
        return not self._unseen and all(not account.pending for account in self._accounts.values())

    def send(self, source: str, first_seq: int, last_seq: int, watched: Iterable[int], now_us: int) -> None:
        """The source has written these numbers; those in `watched` must appear in an incident."""
        account = self._accounts.setdefault(source, _Account())
        account.pending.append((first_seq, last_seq, now_us))
        account.sent += last_seq - first_seq + 1
        for seq in watched:
            self._unseen[f"{source}/{seq}"] = now_us
            self.watched += 1

    def acknowledge(self, source: str, seq: int, now_us: int) -> None:
        """The centre has told the source that everything up to `seq` is committed."""
        account = self._accounts.setdefault(source, _Account())
        pending = account.pending
        while pending and pending[0][0] <= seq:
            first_seq, last_seq, sent_us = pending.popleft()
            covered = min(last_seq, seq)
            account.acked += covered - first_seq + 1
            self.ack_latency.add(now_us - sent_us, covered - first_seq + 1)
            if covered < last_seq:
                pending.appendleft((covered + 1, last_seq, sent_us))

    def reject(self, source: str, seq: int | None, code: str) -> None:
        """The centre has answered an event with an error."""
        self.rejected[code] += 1
        if self._unseen.pop(f"{source}/{seq}", None) is not None:
            # It is not awaited any more, and it was not seen either.
            self.watched -= 1

    def publish(self, events: Iterable[str], now_us: int) -> None:
        """An incident that a client received names these events."""
        if not self._unseen:
            return
        for event in events:
            sent_us = self._unseen.pop(event, None)
            if sent_us is not None:
                self.seen += 1
                self.seen_latency.add(now_us - sent_us)

    def unseen(self) -> list[str]:
        """Watched events that no incident has named yet, oldest first."""
        return list(self._unseen)

    def result(self) -> Result:
        """The account as it stands."""
        sent, acked = self.sent, self.acked
        return Result(
            sent=sent,
            acked=acked,
            rejected=self.rejected.total(),
            watched=self.watched,
            seen=self.seen,
            unacknowledged=sent - acked,
            unseen=len(self._unseen),
            ack_p50_us=self.ack_latency.quantile_us(0.5),
            ack_p99_us=self.ack_latency.quantile_us(0.99),
            seen_p50_us=self.seen_latency.quantile_us(0.5),
            seen_p99_us=self.seen_latency.quantile_us(0.99),
        )
