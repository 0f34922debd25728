"""What a client holds of one subscription: the newest views, kept by applying the centre's messages. No I/O.

Rules: a part with `reset` empties the mirror; views go in, then removals come out; a version that is held already is a repeat
and is passed over; the cursor counts only when no more parts follow.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec

from core.decisions import Notice, PositionRow
from protocols.dispatch.message import Changes, Snapshot

PENDING_MAX: Final = 65_536
"""Changes that wait for a reader; beyond it the reader is told to look at the whole mirror instead."""


class _IncidentHead(msgspec.Struct, frozen=True, gc=False):
    incident_id: int
    version: int = 0


class _CrewHead(msgspec.Struct, frozen=True, gc=False):
    crew_id: str


_incident_head: Final = msgspec.json.Decoder(_IncidentHead)
_crew_head: Final = msgspec.json.Decoder(_CrewHead)


class Update:
    """What has changed since the reader last looked, newest state only."""

    def __init__(self, *, reset: bool = False) -> None:
        self.reset = reset
        """Whether the mirror was filled anew: what the reader has derived from it is void."""
        self.incidents: dict[int, bytes] = {}
        """Changed incidents' views, the final views of closed ones among them."""
        self.removed: set[int] = set()
        self.crews: dict[str, bytes] = {}
        self.removed_crews: set[str] = set()
        self.positions: dict[str, PositionRow] = {}
        self.notices: deque[Notice] = deque(maxlen=1_024)

    def __bool__(self) -> bool:
        return bool(
            self.reset or self.incidents or self.removed or self.crews or self.removed_crews or self.positions or self.notices
        )


class Mirror:
    """Incidents, crews and positions of one subscription as the client knows them. Views are JSON."""

    def __init__(self) -> None:
        self.incidents: dict[int, bytes] = {}
        self.versions: dict[int, int] = {}
        self.crews: dict[str, bytes] = {}
        self.positions: dict[str, PositionRow] = {}
        self.cursor: int | None = None
        """Where to resume; None until a whole snapshot has come."""
        self.complete = False
        """Whether a whole snapshot has come."""
        self._update = Update()

    def take(self) -> Update:
        """What has changed since the last call."""
        update, self._update = self._update, Update()
        return update

    def apply(self, message: Snapshot | Changes) -> None:
        """Applies one message of the centre. Raises `msgspec.DecodeError` for a view without its id."""
        if isinstance(message, Snapshot) and message.reset:
            self._clear()
        for view in message.incidents:
            self._put(bytes(view))
        for view in message.crews:
            crew_id = _crew_head.decode(view).crew_id
            self.crews[crew_id] = self._update.crews[crew_id] = bytes(view)
            self._update.removed_crews.discard(crew_id)
        for row in message.positions:
            self.positions[row.crew_id] = self._update.positions[row.crew_id] = row
        if isinstance(message, Changes):
            self._remove(message)
            self._update.notices.extend(message.notices)
        if not message.more:
            self.cursor = message.cursor
            self.complete = True
        if len(self._update.incidents) > PENDING_MAX:
            notices = self._update.notices
            self._update = Update(reset=True)
            self._update.notices = notices

    def _clear(self) -> None:
        self.incidents.clear()
        self.versions.clear()
        self.crews.clear()
        self.positions.clear()
        self.cursor = None
        self.complete = False
        notices = self._update.notices
        self._update = Update(reset=True)
        self._update.notices = notices

    def _put(self, view: bytes) -> None:
        head = _incident_head.decode(view)
        number = head.incident_id
        if self.versions.get(number, -1) >= head.version:
            return
        self.versions[number] = head.version
        self.incidents[number] = self._update.incidents[number] = view
        self._update.removed.discard(number)

    def _remove(self, message: Changes) -> None:
        for number in message.removed:
            self.versions.pop(number, None)
            if self.incidents.pop(number, None) is not None:
                self._update.removed.add(number)
        for crew_id in message.removed_crews:
            self.positions.pop(crew_id, None)
            if self.crews.pop(crew_id, None) is not None:
                self._update.removed_crews.add(crew_id)
