"""Any interleaving of batches, slow reads, breaks and resumes against an oracle: committed state, filtered (invariant 10)."""

from __future__ import annotations

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from core.decisions import CrewChange, IncidentChange
from protocols.dispatch.message import Changes, Filter, Snapshot
from protocols.dispatch.mirror import Mirror
from protocols.dispatch.publisher import Publisher
from protocols.dispatch.subscription import Client, Selection
from tests.protocols.dispatch_world import DISPATCHER, Watcher, batch, crew, incident

TERRITORIES = ["", "kz/a", "kz/a/x", "kz/b"]
CREWS = ["P-1", "P-2"]
FILTERS = [
    Filter(),
    Filter(territories=("kz/a",)),
    Filter(territories=("kz/a/x",), priorities=2),
    Filter(crews=("P-1",)),
    Filter(box=(0.0, 0.0, 10.0, 10.0)),
    Filter(categories=("fire",)),
]
LIMITED = Client(operator="a", role="dispatcher", territory="kz/a")
CLIENTS = [(one, who) for one in FILTERS for who in (DISPATCHER, LIMITED)]
CLIENTS += [
    (Filter(territories=("kz/a/x", "kz/b")), DISPATCHER),
    (Filter(own=True), Client(operator="c", role="crew", crew="P-2")),
]

which = st.integers(0, len(CLIENTS) - 1)
edits = st.fixed_dictionaries(
    {
        "territory": st.sampled_from(TERRITORIES),
        "category": st.sampled_from(["fire", "theft"]),
        "priority": st.integers(1, 4),
        "place": st.sampled_from([None, (5.0, 5.0), (20.0, 20.0)]),
        "crews": st.sampled_from([(), ("P-1",), ("P-2",), ("P-1", "P-2")]),
        "closed": st.sampled_from([False, False, False, True]),
    }
)


class Told:
    """A client over all its connections, with what each message told checked as it comes."""

    def __init__(self, selection: Filter, client: Client) -> None:
        self.selection = selection
        self.client = client
        self.mirror = Mirror()
        self.watcher: Watcher | None = None
        self.versions: dict[int, int] = {}
        """Incident → last version told, and since the last reset."""
        self.broken_off = False
        """Whether the last connection broke between the parts of one whole, which is then told again."""
        self._last: Snapshot | Changes | None = None

    def connect(self, publisher: Publisher) -> None:
        self.watcher = Watcher(publisher, self.selection, client=self.client, cursor=self.mirror.cursor, mirror=self.mirror)
        self.broken_off = self._last is not None and self._last.more
        self._last = None

    def disconnect(self, publisher: Publisher) -> None:
        assert self.watcher is not None
        publisher.unsubscribe(self.watcher.subscription)
        self.watcher = None

    def take(self) -> bool:
        assert self.watcher is not None
        message = self.watcher.take()
        if message is None:
            return False
        if isinstance(message, Snapshot) and message.reset:
            self.versions.clear()
            self.broken_off = False
        for view in message.incidents:
            head = msgspec.json.decode(view, type=dict[str, int | str])
            number, version = head["incident_id"], head["version"]
            assert isinstance(number, int)
            assert isinstance(version, int)
            last = self.versions.get(number, 0)
            assert version > last or (self.broken_off and version == last), f"{number}: {version} after {last}"
            self.versions[number] = version
        if not message.more:
            self.broken_off = False
        self._last = message
        return True


class Conversation(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.publisher = Publisher(resume_batches=6, pending_max=12, part_bytes=150, changes_bytes=400, step=3)
        self.incidents: dict[int, IncidentChange] = {}
        self.crews: dict[str, CrewChange] = {}
        self.batch_no = 0
        self.clients = [Told(selection, client) for selection, client in CLIENTS]

    def publish(self, changed: dict[int, IncidentChange], crews: dict[str, CrewChange]) -> None:
        self.batch_no += 1
        self.incidents |= changed
        self.crews |= crews
        self.publisher.publish(batch(self.batch_no, changed.values(), crews=crews.values()))
        for client in self.clients:
            # The hub cuts those who have lapsed; they come back and resume.
            if client.watcher is not None and client.watcher.subscription.lapsed:
                client.disconnect(self.publisher)

    @rule(changes=st.dictionaries(st.integers(1, 14), edits, max_size=8))
    def commit(self, changes: dict[int, dict[str, object]]) -> None:
        changed = {}
        for number, edit in changes.items():
            before = self.incidents.get(number)
            if before is not None and before.closed_us is not None:
                # Nothing but notes comes to a closed incident.
                edit = {**edit, "closed": True}
            version = 1 if before is None else before.version + 1
            changed[number] = incident(number, version, **edit)  # type: ignore[arg-type]
        self.publish(changed, {})

    @rule(crew_id=st.sampled_from(CREWS), territory=st.sampled_from(TERRITORIES))
    def move_crew(self, crew_id: str, territory: str) -> None:
        self.publish({}, {crew_id: crew(crew_id, territory=territory, updated_us=self.batch_no + 1)})

    @rule()
    def commit_nothing(self) -> None:
        self.publish({}, {})

    @rule(index=which)
    def connect_or_break(self, index: int) -> None:
        client = self.clients[index]
        if client.watcher is None:
            client.connect(self.publisher)
        else:
            client.disconnect(self.publisher)

    @rule(index=which, messages=st.integers(1, 3))
    def read_some(self, index: int, messages: int) -> None:
        client = self.clients[index]
        for _ in range(messages if client.watcher is not None else 0):
            client.take()

    @rule(index=which)
    def read_all(self, index: int) -> None:
        self.drain(self.clients[index])

    @precondition(lambda self: self.batch_no > 0)
    @rule()
    def restart(self) -> None:
        """The centre dies and comes back with what it has committed."""
        for client in self.clients:
            client.watcher = None
        self.publisher = Publisher(resume_batches=6, pending_max=12, part_bytes=150, changes_bytes=400, step=3)
        is_open = [one for one in self.incidents.values() if one.closed_us is None]
        self.publisher.restore(self.batch_no, is_open, self.crews.values(), [])

    def drain(self, client: Told) -> None:
        if client.watcher is None:
            client.connect(self.publisher)
        while client.take():
            pass
        selection = self.selection_of(client)
        expected = {
            one.incident_id: one.version for one in self.incidents.values() if one.closed_us is None and selection.takes(one)
        }
        assert client.mirror.versions == expected
        assert client.mirror.crews == {
            one.crew_id: one.view for one in self.crews.values() if selection.takes_crew(one.crew_id, one.territory)
        }
        assert client.mirror.cursor is not None
        assert client.mirror.cursor <= self.batch_no

    def selection_of(self, client: Told) -> Selection:
        assert client.watcher is not None
        return client.watcher.subscription.audience.selection

    @invariant()
    def log_is_bounded(self) -> None:
        for client in self.clients:
            if client.watcher is not None:
                audience = client.watcher.subscription.audience
                # The bound, and one batch that is trimmed when the next one comes.
                assert len(audience.incidents) <= 12 + 8

    def teardown(self) -> None:
        for client in self.clients:
            if client.watcher is not None and not client.watcher.subscription.lapsed:
                self.drain(client)


Conversation.TestCase.settings = settings(max_examples=120, stateful_step_count=40, deadline=None, derandomize=True)
TestConversation = Conversation.TestCase
