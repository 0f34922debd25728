"""The dispatch session as a table: every state with every message, who may command what, and its bounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec
import pytest

from core import limits
from core.commands import (
    Accept,
    AddNote,
    AnyCommand,
    ChangePriority,
    Clear,
    Close,
    CreateIncident,
    Decline,
    EnRoute,
    Merge,
    OnScene,
    Order,
    Reassign,
    Split,
)
from protocols.dispatch.authority import hindrance
from protocols.dispatch.codec import decode_centre, text_of
from protocols.dispatch.message import (
    PROTOCOL,
    Answer,
    AskContext,
    ClientMessage,
    CommandMessage,
    ContextAnswer,
    ContextReason,
    Error,
    ErrorCode,
    Filter,
    Goodbye,
    GoodbyeReason,
    Heartbeat,
    Hello,
    Limits,
    Subscribe,
    Unsubscribe,
    Welcome,
)
from protocols.dispatch.publisher import Publisher
from protocols.dispatch.session import MOVES, Give, Instruction, Leave, Look, Say, Session, State, Watch
from protocols.dispatch.subscription import Client
from tests.protocols.dispatch_world import CITY, answer, batch, context, crew, incident

DISPATCHER = Client(operator="aigul", role="dispatcher", territory=CITY)
SHIFT_LEAD = Client(operator="marat", role="shift_lead")
OBSERVER = Client(operator="eye", role="observer")
CREW = Client(operator="p1", role="crew", crew="P-1")
FAR_CREW = Client(operator="p7", role="crew", crew="P-7", territory=CITY)
TOKENS = {"d": DISPATCHER, "l": SHIFT_LEAD, "o": OBSERVER, "c": CREW, "f": FAR_CREW}
ALLOWED = Limits(message_max_bytes=1_000, subscriptions=2, commands=2, idle_timeout_s=60.0)
HELLO = Hello(protocol=PROTOCOL, token="d")
ACCEPT = Accept(command_id="c1", incident=1, crew="P-1")


def session(publisher: Publisher | None = None) -> Session:
    return Session(7, publisher or Publisher(), TOKENS.get, now_us=lambda: 123, allowed=ALLOWED, errors_max=3)


def say(to: Session, message: ClientMessage) -> list[Instruction]:
    return to.receive(msgspec.json.encode(message))


def opened(token: str = "d", publisher: Publisher | None = None) -> Session:
    one = session(publisher)
    say(one, Hello(protocol=PROTOCOL, token=token))
    assert one.state is State.OPEN
    return one


def error_in(instructions: list[Instruction]) -> Error:
    assert isinstance(instructions[0], Say)
    error = decode_centre(text_of(instructions[0].frame))
    assert isinstance(error, Error)
    return error


def greeting() -> Session:
    return session()


def closed() -> Session:
    one = session()
    say(one, Goodbye())
    return one


STATES: dict[State, Callable[[], Session]] = {State.GREETING: greeting, State.OPEN: opened, State.CLOSED: closed}
MESSAGES: list[ClientMessage] = [
    HELLO,
    Subscribe(id="map"),
    Unsubscribe(id="map"),
    CommandMessage(body=ACCEPT),
    AskContext(incident=1),
    Heartbeat(),
    Goodbye(),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
@pytest.mark.parametrize("state", State)
def test_state_after_each_message_is_the_tables(state: State, message: ClientMessage) -> None:
    one = STATES[state]()
    if isinstance(message, Unsubscribe) and state is State.OPEN:
        say(one, Subscribe(id="map"))
    instructions = say(one, message)
    after = MOVES[state].get(type(message))
    if state is State.CLOSED:
        assert (instructions, one.state) == ([], State.CLOSED)
    elif after is not None:
        assert one.state is after
        assert not any(isinstance(step, Say) and b'"error"' in step.frame for step in instructions)
    else:
        assert error_in(instructions).code is ErrorCode.UNEXPECTED
        # Before the hello there is no second chance.
        assert one.state is (State.CLOSED if state is State.GREETING else state)


def test_hello_is_welcomed_with_who_the_client_is() -> None:
    publisher = Publisher()
    publisher.publish(batch(42))
    (said,) = say(session(publisher), HELLO)
    assert isinstance(said, Say)
    assert decode_centre(text_of(said.frame)) == Welcome(
        session=7, cursor=42, now_us=123, operator="aigul", role="dispatcher", territory=CITY, crew="", limits=ALLOWED
    )


@pytest.mark.parametrize(
    ("hello", "reason"),
    [
        (Hello(protocol="jedel-dispatch/2", token="d"), GoodbyeReason.UNSUPPORTED_PROTOCOL),
        (Hello(protocol=PROTOCOL, token="wrong"), GoodbyeReason.UNAUTHORIZED),
        (Hello(protocol=PROTOCOL, token=""), GoodbyeReason.UNAUTHORIZED),
    ],
)
def test_hello_is_turned_away(hello: Hello, reason: GoodbyeReason) -> None:
    one = session()
    (leave,) = say(one, hello)
    assert isinstance(leave, Leave)
    assert leave.reason is reason
    assert one.state is State.CLOSED


def test_bad_first_message_ends_the_session() -> None:
    one = session()
    instructions = one.receive(b"GET / HTTP/1.1")
    assert error_in(instructions).code is ErrorCode.MALFORMED
    assert instructions[1:] == [Leave(GoodbyeReason.HELLO_EXPECTED)]


def test_errors_do_not_break_the_stream_until_there_are_too_many_in_a_row() -> None:
    one = opened()
    for _ in range(2):
        assert len(one.receive(b"{")) == 1
    say(one, Heartbeat())
    for _ in range(2):
        assert len(one.receive(b"{")) == 1
    assert one.receive(b"{")[1:] == [Leave(GoodbyeReason.TOO_MANY_ERRORS)]


def test_subscriptions_are_bounded_and_their_ids_unique() -> None:
    one = opened()
    (watch,) = say(one, Subscribe(id="a"))
    assert isinstance(watch, Watch)
    refused = error_in(say(one, Subscribe(id="a")))
    assert (refused.code, refused.ref, refused.field) == (ErrorCode.DUPLICATE_SUBSCRIPTION, "a", "$.id")
    say(one, Subscribe(id="b"))
    assert error_in(say(one, Subscribe(id="c"))).code is ErrorCode.TOO_MANY_SUBSCRIPTIONS
    assert say(one, Unsubscribe(id="a")) == []
    assert error_in(say(one, Unsubscribe(id="a"))).code is ErrorCode.UNKNOWN_SUBSCRIPTION
    assert isinstance(say(one, Subscribe(id="a"))[0], Watch)


class Denied(NamedTuple):
    token: str
    filter: Filter
    code: ErrorCode
    field: str


@pytest.mark.parametrize(
    "case",
    [
        Denied("d", Filter(territories=(CITY, "kz/astana")), ErrorCode.FORBIDDEN, "$.filter.territories[1]"),
        Denied("d", Filter(territories=("kz/almatyobl",)), ErrorCode.FORBIDDEN, "$.filter.territories[0]"),
        Denied("d", Filter(own=True), ErrorCode.INVALID_FIELD, "$.filter.own"),
        Denied("c", Filter(own=True, crews=("P-2",)), ErrorCode.INVALID_FIELD, "$.filter.own"),
        Denied("c", Filter(own=True, territories=("",)), ErrorCode.INVALID_FIELD, "$.filter.own"),
        Denied("o", Filter(box=(0.0, 2.0, 1.0, 1.0)), ErrorCode.INVALID_FIELD, "$.filter.box[1]"),
    ],
)
def test_filter_is_refused_naming_its_field(case: Denied) -> None:
    refused = error_in(say(opened(case.token), Subscribe(id="a", filter=case.filter)))
    assert (refused.code, refused.field, refused.ref) == (case.code, case.field, "a")


def test_refused_subscription_leaves_nothing_behind() -> None:
    publisher = Publisher()
    say(opened("d", publisher), Subscribe(id="a", filter=Filter(territories=("kz/astana",))))
    assert len(publisher._audiences) == 0


def test_end_of_a_session_ends_its_subscriptions() -> None:
    publisher = Publisher()
    one = opened("d", publisher)
    say(one, Subscribe(id="a"))
    say(one, Subscribe(id="b", filter=Filter(priorities=1)))
    assert say(one, Goodbye()) == [Leave(GoodbyeReason.BYE)]
    assert len(publisher._audiences) == 0


def test_command_leaves_with_its_operator_and_is_answered() -> None:
    one = opened()
    assert say(one, CommandMessage(body=ACCEPT)) == [Give(Order("operator:aigul", ACCEPT))]
    assert one.asked == {"c1"}
    frame = one.answered(answer("c1", done=False, number=None, reason="unknown_incident"))
    expected = Answer(command_id="c1", done=False, incident=None, reason="unknown_incident", text="")
    assert decode_centre(text_of(frame)) == expected
    assert one.asked == set()


def test_crew_commands_in_its_own_name() -> None:
    assert say(opened("c"), CommandMessage(body=ACCEPT)) == [Give(Order("crew:P-1", ACCEPT))]


def test_unanswered_commands_are_bounded_but_may_be_repeated() -> None:
    one = opened()
    for command_id in ("a", "b", "a"):
        assert isinstance(say(one, CommandMessage(body=Accept(command_id=command_id, incident=1, crew="P")))[0], Give)
    refused = error_in(say(one, CommandMessage(body=ACCEPT)))
    assert (refused.code, refused.ref) == (ErrorCode.TOO_MANY_COMMANDS, "c1")
    for _ in range(limits.CLIENT_ERRORS):
        # While the database stands still a busy desk goes on pressing buttons; that is no reason to cut it off.
        assert error_in(say(one, CommandMessage(body=ACCEPT))).code is ErrorCode.TOO_MANY_COMMANDS
    one.answered(answer("a"))
    assert isinstance(say(one, CommandMessage(body=ACCEPT))[0], Give)


def test_command_that_waits_may_be_repeated_when_it_would_no_longer_be_allowed() -> None:
    publisher = Publisher()
    publisher.publish(batch(1, [incident(1, crews=("P-1",))]))
    one = opened("c", publisher)
    note = CommandMessage(body=AddNote(command_id="n1", incident=1, words="two injured"))
    assert isinstance(say(one, note)[0], Give)
    publisher.publish(batch(2, [incident(1, 2, crews=())]))
    assert isinstance(say(one, note)[0], Give)
    one.answered(answer("n1"))
    assert error_in(say(one, note)).code is ErrorCode.FORBIDDEN


HERE, ELSEWHERE, UNKNOWN = 1, 2, 99
KNOWN = {HERE: incident(HERE, crews=("P-1",)), ELSEWHERE: incident(ELSEWHERE, territory="kz/astana", crews=("P-9",))}


CREWS = {
    "district": crew("district", territory=f"{CITY}/medeu"),
    "city": crew("city", territory=CITY),
    "country": crew("country", territory="kz"),
    "everywhere": crew("everywhere", territory=""),
    "abroad": crew("abroad", territory="kz/astana"),
    "lent": crew("lent", territory="kz/astana", outside=True),
}


class Ordered(NamedTuple):
    client: Client
    command: AnyCommand
    field: str | None
    """Field at fault, None where the command is allowed."""


def every_command(number: int, crew_id: str) -> list[AnyCommand]:
    return [
        Accept(command_id="c", incident=number, crew=crew_id),
        Decline(command_id="c", incident=number, crew=crew_id),
        EnRoute(command_id="c", incident=number, crew=crew_id),
        OnScene(command_id="c", incident=number, crew=crew_id),
        Clear(command_id="c", incident=number, crew=crew_id),
        AddNote(command_id="c", incident=number, words="w"),
        Close(command_id="c", incident=number, result="r"),
        Reassign(command_id="c", incident=number),
        Merge(command_id="c", incident=number, into=HERE),
        Split(command_id="c", incident=number, events=("s/1",)),
        ChangePriority(command_id="c", incident=number, priority=1),
        CreateIncident(command_id="c"),
    ]


ORDERED = [
    *(Ordered(OBSERVER, command, "$.body.command") for command in every_command(HERE, "P-1")),
    *(Ordered(SHIFT_LEAD, command, None) for command in every_command(ELSEWHERE, "P-9")),
    *(Ordered(DISPATCHER, command, None) for command in every_command(HERE, "P-9")),
    *(Ordered(DISPATCHER, command, None) for command in every_command(UNKNOWN, "P-9")),
    *(Ordered(DISPATCHER, command, "$.body.incident") for command in every_command(ELSEWHERE, "P-9")[:-1]),
    *(
        Ordered(DISPATCHER, Reassign(command_id="c", incident=HERE, to=to), "$.body.to" if to == "abroad" else None)
        for to in (*CREWS, "unknown")
    ),
    Ordered(SHIFT_LEAD, Reassign(command_id="c", incident=HERE, to="abroad"), None),
    Ordered(DISPATCHER, CreateIncident(command_id="c"), None),
    Ordered(DISPATCHER, Merge(command_id="c", incident=HERE, into=ELSEWHERE), "$.body.into"),
    *(Ordered(CREW, command, None) for command in every_command(HERE, "P-1")[:6]),
    *(Ordered(CREW, command, "$.body.command") for command in every_command(HERE, "P-1")[6:]),
    *(Ordered(CREW, command, "$.body.crew") for command in every_command(HERE, "P-2")[:5]),
    Ordered(CREW, AddNote(command_id="c", incident=ELSEWHERE, words="w"), "$.body.incident"),
    Ordered(Client(operator="x", role="crew"), ACCEPT, "$.body.crew"),
]


@pytest.mark.parametrize("case", ORDERED, ids=lambda case: f"{case.client.role}-{type(case.command).__name__}-{case.field}")
def test_who_may_command_what(case: Ordered) -> None:
    wrong = hindrance(case.client, case.command, KNOWN.get, CREWS.get)
    assert (None if wrong is None else wrong[0]) == case.field


def test_forbidden_command_is_refused_and_does_not_leave() -> None:
    instructions = say(opened("o"), CommandMessage(body=ACCEPT))
    assert [type(step) for step in instructions] == [Say]
    refused = error_in(instructions)
    assert (refused.code, refused.ref, refused.field) == (ErrorCode.FORBIDDEN, "c1", "$.body.command")


def answer_in(frame: bytearray) -> ContextAnswer:
    told = decode_centre(text_of(frame))
    assert isinstance(told, ContextAnswer)
    return told


def refusal_in(instructions: list[Instruction]) -> str:
    (said,) = instructions
    assert isinstance(said, Say)
    told = answer_in(said.frame)
    assert told.context is None
    return told.reason


def test_context_is_asked_for_and_told() -> None:
    publisher = Publisher()
    publisher.publish(batch(1, [incident(1)]))
    one = opened("d", publisher)
    assert say(one, AskContext(incident=1)) == [Look(1)]
    # Asked twice, answered once.
    assert say(one, AskContext(incident=1)) == []
    found = context(1, CITY)
    assert answer_in(one.looked(1, found)) == ContextAnswer(incident=1, reason="", context=found)
    assert say(one, AskContext(incident=1)) == [Look(1)]
    refused = one.looked(1, ContextReason.UNKNOWN_INCIDENT)
    assert answer_in(refused) == ContextAnswer(incident=1, reason="unknown_incident", context=None)


class Sight(NamedTuple):
    token: str
    territory: str
    crews: tuple[str, ...]
    seen: bool


SIGHTS = [
    Sight("d", CITY, (), True),
    Sight("d", f"{CITY}/medeu", (), True),
    Sight("d", "kz", (), False),
    Sight("d", "kz/almatyobl", (), False),
    Sight("d", "", (), False),
    Sight("l", "kz/astana", (), True),
    Sight("f", "kz/astana", ("P-7",), True),
    Sight("f", "kz/astana", ("P-1",), False),
]


@pytest.mark.parametrize("case", SIGHTS)
def test_context_is_for_those_who_may_subscribe_to_the_incident(case: Sight) -> None:
    publisher = Publisher()
    publisher.publish(batch(1, [incident(1, territory=case.territory, crews=case.crews)]))
    asked = say(opened(case.token, publisher), AskContext(incident=1))
    if case.seen:
        assert asked == [Look(1)]
    else:
        assert refusal_in(asked) == "forbidden"


@pytest.mark.parametrize("case", SIGHTS[:-2])
def test_context_of_an_incident_of_long_ago_is_for_those_of_its_territory(case: Sight) -> None:
    one = opened(case.token)
    assert say(one, AskContext(incident=1)) == [Look(1)]
    told = answer_in(one.looked(1, context(1, case.territory)))
    assert (told.reason, told.context is not None) == (("", True) if case.seen else ("forbidden", False))


def test_context_that_may_no_longer_be_seen_when_it_comes_is_not_told() -> None:
    publisher = Publisher()
    publisher.publish(batch(1, [incident(1, territory=CITY)]))
    one = opened("d", publisher)
    assert say(one, AskContext(incident=1)) == [Look(1)]
    publisher.publish(batch(2, [incident(1, 2, territory="kz/astana")]))
    assert answer_in(one.looked(1, context(1, CITY))).reason == "forbidden"


def test_contexts_are_asked_for_at_a_bounded_rate() -> None:
    clock = [1_000_000_000]
    one = Session(7, Publisher(), TOKENS.get, now_us=lambda: clock[0], allowed=ALLOWED)
    say(one, HELLO)

    def taken(first: int) -> int:
        """How many of a hundred questions are handed on."""
        asked = [say(one, AskContext(incident=first + number)) for number in range(100)]
        assert {refusal_in(refused) for refused in asked if not isinstance(refused[0], Look)} <= {"too_many"}
        return sum(isinstance(instructions[0], Look) for instructions in asked)

    assert taken(1) == limits.CLIENT_CONTEXTS
    assert taken(200) == 0
    clock[0] += 1_000_000
    assert taken(300) == limits.CLIENT_CONTEXTS_PER_S
    clock[0] += 3_600_000_000
    assert taken(400) == limits.CLIENT_CONTEXTS
    clock[0] -= 10_000_000
    assert taken(500) == 0
