"""Who calls: the number, whom the telephone exchange has registered for it, and its earlier calls.

Place in the flow: event → **identify** → locate. Requirements: OCC-1, CITY-11 (a number that calls again). Rules:

- Pure: the shell has looked the subscriber up for the whole batch; the instant is an argument.
- A caller who cannot be named is still a caller: `number_kind` says why, and nothing here raises for what a source sent.
- The memory of earlier calls is bounded twice: `CALLS_SHOWN` calls a number, `max_numbers` numbers.
"""

from __future__ import annotations

from typing import Final

import msgspec

from core.instant import SECOND_US, Micros
from core.phone import PhoneKind, read_phone
from core.ports import Subscriber
from core.recovered import EarlierCall
from core.vocabulary import Word

CALLS_SHOWN: Final = 5
"""Earlier calls a dispatcher is shown; more of one number are not kept."""
WINDOW_US: Final = 6 * 3600 * SECOND_US
"""How long a call is remembered for its number."""
NUMBERS_MAX: Final = 200_000
"""Numbers remembered, 50 MB if each called once, 190 MB if `CALLS_SHOWN` times; the one silent longest is forgotten first."""


class NumberKind(Word):
    """What is known of the caller's number."""

    KNOWN = "known"
    """A subscriber is registered for it."""
    UNKNOWN = "unknown"
    """Readable, and not in the subscriber base."""
    WITHHELD = "withheld"
    SHORT = "short"
    LOCAL = "local"
    MALFORMED = "malformed"


_UNREADABLE: Final[dict[PhoneKind, NumberKind]] = {
    PhoneKind.WITHHELD: NumberKind.WITHHELD,
    PhoneKind.SHORT: NumberKind.SHORT,
    PhoneKind.LOCAL: NumberKind.LOCAL,
    PhoneKind.MALFORMED: NumberKind.MALFORMED,
}


class Caller(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Who calls, as an incident's view keeps and shows it. What is not known is left out of the JSON."""

    number_kind: NumberKind
    as_given: str = ""
    e164: str = ""
    name: str = ""
    line: str = ""
    """Kind of line, as in `core.ports.Subscriber`."""
    address: str = ""
    """The subscriber's registered address: where the line is billed, not where the caller stands."""
    latitude_deg: float | None = None
    longitude_deg: float | None = None
    earlier: tuple[EarlierCall, ...] = ()
    """Newest first."""


class EarlierCalls:
    """Calls of the last hours by number.

    Invariant: numbers stand in the order of their last recorded call, and each holds 1 to `CALLS_SHOWN` calls in the order
    of their recording. So forgetting looks at the front only, and costs O(1) a call, amortised.
    """

    def __init__(self, window_us: int = WINDOW_US, max_numbers: int = NUMBERS_MAX) -> None:
        self._window_us = window_us
        self._max_numbers = max_numbers
        # A tuple of one is a tenth of a deque, and most numbers call once.
        self._calls: dict[str, tuple[EarlierCall, ...]] = {}

    def __len__(self) -> int:
        """Numbers remembered."""
        return len(self._calls)

    def record(self, phone: str, at_us: Micros, incident_id: int) -> None:
        """Remembers a call of a number in E.164; a number that could not be read (`""`) has no past and is not kept."""
        if not phone:
            return
        calls = self._calls.pop(phone, ())
        if not calls and len(self._calls) >= self._max_numbers:
            del self._calls[next(iter(self._calls))]
        self._calls[phone] = (*calls[1 - CALLS_SHOWN :], EarlierCall(phone=phone, at_us=at_us, incident_id=incident_id))

    def find(self, phone: str, now_us: int) -> tuple[EarlierCall, ...]:
        """Calls of a number not older than the window, newest first, at most `CALLS_SHOWN`; forgets what has grown too old."""
        horizon_us = now_us - self._window_us
        self._forget(horizon_us)
        calls = self._calls.get(phone)
        if calls is None:
            return ()
        # Sources' clocks differ, so the order of recording is nearly, not surely, the order of the calls.
        recent = [call for call in reversed(calls) if call.at_us >= horizon_us]
        recent.sort(key=_at_us, reverse=True)
        return tuple(recent)

    def _forget(self, horizon_us: int) -> None:
        while self._calls:
            phone, calls = next(iter(self._calls.items()))
            if calls[-1].at_us >= horizon_us:
                return
            del self._calls[phone]


def _at_us(call: EarlierCall) -> int:
    return call.at_us


def identify(phone_text: str, subscriber: Subscriber | None, earlier: tuple[EarlierCall, ...], region: str = "KZ") -> Caller:
    """Names the caller.

    Args:
        phone_text: the number as the source gave it, `""` where it gave none.
        subscriber: whom the subscriber base has for the number `read_phone(phone_text, region)` reads, or None.
        earlier: that number's earlier calls, newest first.
        region: as in `core.phone.read_phone`.

    Raises:
        ValueError: the subscriber is another number's, which would send the crew to a stranger's address.
    """
    phone = read_phone(phone_text, region)
    if phone.kind is not PhoneKind.VALID:
        return Caller(number_kind=_UNREADABLE[phone.kind], as_given=phone_text)
    if subscriber is None:
        return Caller(number_kind=NumberKind.UNKNOWN, as_given=phone_text, e164=phone.e164, earlier=earlier)
    if subscriber.phone != phone.e164:
        raise ValueError(f"subscriber of {subscriber.phone} given for a call of {phone.e164}")
    return Caller(
        number_kind=NumberKind.KNOWN,
        as_given=phone_text,
        e164=phone.e164,
        name=subscriber.name,
        line=subscriber.line,
        address=subscriber.address,
        latitude_deg=subscriber.latitude_deg,
        longitude_deg=subscriber.longitude_deg,
        earlier=earlier,
    )
