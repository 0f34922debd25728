"""What every dispatch client is to be told next: committed batches in, messages out, without sockets and without a clock.

Place in the flow: persist → acknowledge, **publish**. `publish` only notes, per audience, what has changed; `take` gives one
subscription its next message when the caller finds that it may have one, so a client's pace is the caller's affair and costs
the others nothing. What is not taken conflates: the newest state wins.

Rules (invariant 10): a subscription's messages carry an incident's versions in rising order; a client that applies all messages
up to a cursor holds exactly what matches; resuming from a cursor tells everything that has changed after it, once. A batch that
is cut into parts and interrupted between them is told again from its beginning, so a client takes a version it holds already
as the repeat it is.
"""

from __future__ import annotations

from collections.abc import Iterable

from core import limits
from core.decisions import CrewChange, Decisions, IncidentChange, PositionRow
from protocols.dispatch.audience import Audience, Audiences, Walk
from protocols.dispatch.codec import Updates, encode_json, frame_updates
from protocols.dispatch.committed import Committed, Held, HeldCrew, HeldIncident, HeldPosition, is_closed
from protocols.dispatch.message import Subscribe
from protocols.dispatch.subscription import Client, Selection, Subscription, select

_BODIES = 8
"""Places in its log for which an audience's message is kept while members still take it."""


class Publisher:
    """Committed state and who has been told what of it. Not thread-safe."""

    def __init__(
        self,
        *,
        resume_batches: int = limits.RESUME_BATCHES,
        pending_max: int = limits.CLIENT_PENDING_INCIDENTS,
        part_bytes: int = limits.SNAPSHOT_PART_BYTES,
        changes_bytes: int = limits.CHANGES_BYTES,
        step: int = limits.SNAPSHOT_STEP,
    ) -> None:
        self._committed = Committed(resume_batches)
        self._audiences = Audiences(pending_max)
        self._part_bytes = part_bytes
        self._changes_bytes = changes_bytes
        self._step = step
        self._everything: dict[bool, list[Held]] = {}
        """With or without positions: what a snapshot begun at the present batch looks through, shared by all of them."""
        self.encodings = 0
        """Messages joined so far; deliveries beyond it were shared."""
        self.conflated = 0
        """Changes that took the place of an earlier one which some member of the audience had not been told."""

    @property
    def batch_no(self) -> int:
        """The last committed batch, which is the cursor of whoever has been told everything."""
        return self._committed.batch_no

    @property
    def window_start(self) -> int:
        """The oldest cursor from which a subscription is resumed."""
        return self._committed.window_start

    def incident(self, number: int) -> IncidentChange | None:
        """The newest committed state of an open or lately closed incident."""
        held = self._committed.incident(number)
        return None if held is None else held.change

    def crew(self, crew_id: str) -> CrewChange | None:
        """The newest committed state of a crew."""
        held = self._committed.crews.get(crew_id)
        return None if held is None else held.change

    def restore(
        self, batch_no: int, incidents: Iterable[IncidentChange], crews: Iterable[CrewChange], positions: Iterable[PositionRow]
    ) -> None:
        """Begins with what storage has recovered, before anybody subscribes.

        The window begins at `batch_no`: which batch changed what before is not known any more, so an older cursor gets a
        snapshot and an equal one has missed nothing.
        """
        self._committed.restore(batch_no, incidents, crews, positions)
        self._everything.clear()

    def publish(self, decisions: Decisions) -> list[Audience]:
        """Takes one committed batch; gives the audiences whose members now have something to be told.

        Raises:
            ValueError: the batch's number or an incident's version goes back, which is our own fault.
        """
        committed = self._committed
        committed.advance(decisions)
        self._everything.clear()
        touched: list[Audience] = []
        for incident in decisions.incidents:
            self._publish_incident(incident, touched)
        for crew in decisions.crews:
            self._publish_crew(crew, touched)
        for row in decisions.live_positions:
            self._publish_position(row, touched)
        for one in decisions.notices:
            notice = committed.put_notice(one)
            if notice is not None:
                about = notice.about
                if about is None:
                    audiences = self._audiences.of_crew("", notice.territory)
                else:
                    audiences = self._audiences.of_incident(about, None)
                for audience in audiences:
                    if audience.selection.takes_notice(notice.territory, about):
                        self._begin(audience, touched)
                        audience.notices.append(notice)
        committed.forget()
        return touched

    def _begin(self, audience: Audience, touched: list[Audience]) -> None:
        if audience.begin(self._committed.batch_no):
            touched.append(audience)

    def _publish_incident(self, change: IncidentChange, touched: list[Audience]) -> None:
        held, before = self._committed.put_incident(change)
        for audience in self._audiences.of_incident(change, before):
            takes = audience.selection.takes
            # What has just ceased to match must be told too: the client takes it out.
            if takes(change) or (before is not None and takes(before)):
                self._begin(audience, touched)
                self.conflated += audience.mark_incident(held, held.batch_no)

    def _publish_crew(self, change: CrewChange, touched: list[Audience]) -> None:
        held, before = self._committed.put_crew(change)
        concerned = dict.fromkeys(self._audiences.of_crew(change.crew_id, change.territory))
        if before is not None and before.territory != change.territory:
            concerned.update(dict.fromkeys(self._audiences.of_crew(change.crew_id, before.territory)))
        for audience in concerned:
            takes = audience.selection.takes_crew
            if takes(change.crew_id, change.territory) or (before is not None and takes(change.crew_id, before.territory)):
                self._begin(audience, touched)
                self.conflated += audience.mark_crew(held, held.batch_no)

    def _publish_position(self, row: PositionRow, touched: list[Audience]) -> None:
        held, before = self._committed.put_position(row)
        territory = self._committed.territory_of(row.crew_id)
        for audience in self._audiences.of_crew(row.crew_id, territory):
            selection = audience.selection
            # A crew that leaves the box is told once more, so that its mark does not stay where it was.
            if (
                selection.positions
                and selection.takes_crew(row.crew_id, territory)
                and (
                    selection.box is None
                    or selection.in_box(row.latitude_deg, row.longitude_deg)
                    or (before is not None and selection.in_box(before.latitude_deg, before.longitude_deg))
                )
            ):
                self._begin(audience, touched)
                self.conflated += audience.mark_position(held, held.batch_no)

    def subscribe(self, session: int, client: Client, request: Subscribe) -> Subscription:
        """Opens a subscription; its first message is a part of a snapshot or, resumed, the changes since its cursor.

        Raises `RefusedError` when the client may not ask for this.
        """
        committed = self._committed
        audience = self._audiences.join(select(client, request))
        subscription = Subscription(session, request, audience)
        audience.members[subscription] = None
        audience.behind[subscription] = None
        cursor = request.cursor
        now = committed.batch_no
        if cursor is not None and committed.window_start <= cursor <= now:
            subscription.cursor = cursor
            subscription.walk = Walk(committed.since(cursor), base=cursor, through=now, snapshot=False, opening=True)
        else:
            items = self._everything.get(request.positions)
            if items is None:
                items = self._everything[request.positions] = committed.everything(positions=request.positions)
            subscription.walk = Walk(items, base=now, through=now, snapshot=True, opening=True)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Ends a subscription."""
        audience = subscription.audience
        audience.leave(subscription)
        subscription.walk = None
        self._audiences.drop_if_empty(audience)

    def take(self, subscription: Subscription) -> bytearray | None:
        """The subscription's next message, or None: either nothing is pending, or more is to be looked through next time.

        One call does a bounded amount of work. A message may be shared: it must not be changed.
        """
        audience = subscription.audience
        if subscription.lapsed or subscription not in audience.behind:
            return None
        if subscription.walk is not None:
            return self._part(subscription, subscription.walk)
        now = self._committed.batch_no
        if audience.frames_to != now:
            audience.frames.clear()
            audience.bodies.clear()
            audience.frames_to = now
        # Whoever was told everything before the log's first entry stands at the same place, whatever the cursor's number.
        since = max(subscription.cursor, audience.marked_from - 1)
        frame = audience.frames.get((since, subscription.head))
        if frame is None:
            body = audience.bodies.get(since)
            if body is None:
                walk = Walk(audience.since(since), base=since, through=now, snapshot=False, opening=False)
                body = self._whole(audience, walk)
                if body is None:
                    subscription.walk = walk
                    return self._part(subscription, walk)
                if len(audience.bodies) >= _BODIES:
                    audience.bodies.clear()
                    audience.frames.clear()
                audience.bodies[since] = body
            frame = frame_updates(b"changes", subscription.head, now, body)
            self.encodings += 1
            audience.frames[since, subscription.head] = frame
        subscription.cursor = subscription.told = now
        audience.caught_up(subscription)
        return frame

    def beat(self, subscription: Subscription) -> bytearray | None:
        """A message that only moves the cursor of a client that has nothing to be told, so that it may resume later on."""
        if subscription.pending or subscription.told == self._committed.batch_no:
            return None
        subscription.cursor = subscription.told = self._committed.batch_no
        return frame_updates(b"changes", subscription.head, subscription.told, b"")

    def _whole(self, audience: Audience, walk: Walk) -> bytes | None:
        """Everything of a walk as one body, or None when it is too much for one message."""
        updates = Updates()
        for item in walk.items:
            self._add(updates, item, audience.selection, walk)
            if updates.size > self._changes_bytes:
                return None
        return updates.body()

    def _part(self, subscription: Subscription, walk: Walk) -> bytearray | None:
        audience, items = subscription.audience, walk.items
        updates = Updates()
        end = min(len(items), walk.at + self._step)
        while walk.at < end and updates.size < self._part_bytes:
            item = items[walk.at]
            walk.at += 1
            if not audience.changed_after(item, walk.through):
                self._add(updates, item, audience.selection, walk)
        more = walk.at < len(items)
        if more and not updates.size:
            return None
        kind = b"snapshot" if walk.snapshot else b"changes"
        cursor = walk.base if more else walk.through
        reset = walk.snapshot and walk.opening
        frame = frame_updates(kind, subscription.head, cursor, updates.body(), reset=reset, more=more)
        self.encodings += 1
        walk.opening = False
        if not more:
            subscription.walk = None
            subscription.cursor = subscription.told = walk.through
            # What changed during the walk stands in the log; with nothing there, the member has caught up.
            if audience.marked_to <= walk.through:
                audience.caught_up(subscription)
        return frame

    def _add(self, updates: Updates, item: Held, selection: Selection, walk: Walk) -> None:
        """Adds what a client is to be told of one item: its newest state, or that it is gone."""
        if isinstance(item, HeldIncident):
            change = item.change
            if selection.takes(change):
                if not is_closed(change):
                    updates.add(updates.incidents, change.view)
                elif not walk.snapshot:
                    updates.add(updates.incidents, change.view)
                    updates.add(updates.removed, b"%d" % change.incident_id)
            elif not walk.snapshot and item.first_batch <= walk.base:
                updates.add(updates.removed, b"%d" % change.incident_id)
        elif isinstance(item, HeldCrew):
            crew = item.change
            if selection.takes_crew(crew.crew_id, crew.territory):
                updates.add(updates.crews, crew.view)
            elif not walk.snapshot and item.first_batch <= walk.base:
                updates.add(updates.removed_crews, encode_json(crew.crew_id))
        elif isinstance(item, HeldPosition):
            row = item.row
            if (
                selection.positions
                and selection.takes_crew(row.crew_id, self._committed.territory_of(row.crew_id))
                and (not walk.snapshot or selection.in_box(row.latitude_deg, row.longitude_deg))
            ):
                updates.add(updates.positions, item.json)
        elif not walk.snapshot and selection.takes_notice(item.territory, item.about):
            updates.add(updates.notices, item.json)
