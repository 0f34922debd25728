"""PROTOCOL.md says what the code does: its tables name every state, field, code and reason, and its examples are messages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from core.commands import AnyCommand
from core.context import FALSE_CALL_WORDS, Context, Earlier, Group, NumberHistory, Outcome, Relation, Scope
from core.limits import (
    CLIENT_COMMANDS,
    CLIENT_CONTEXTS,
    CLIENT_CONTEXTS_PER_S,
    CLIENT_SUBSCRIPTIONS,
    CONTEXT_LISTED,
    CONTEXT_NUMBERS,
    FILTER_ITEMS,
    FRAME_MAX_BYTES,
    IDLE_TIMEOUT_S,
)
from protocols.dispatch import message as m
from protocols.dispatch.codec import decode, decode_centre
from protocols.dispatch.session import MOVES, State
from tests.protocols.dispatch_world import context

TEXT = (Path(__file__).parents[2] / "protocols/dispatch/PROTOCOL.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """The text under a heading, up to the next heading."""
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert found is not None, title
    return found.group(1)


def named(text: str) -> set[str]:
    """Names in backticks, as fields stand in the text and in the tables."""
    return set(re.findall(r"`([a-z_]+)[:`]", text))


def fields(message: type[msgspec.Struct]) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(message)}


def test_states_are_the_table() -> None:
    told: dict[tuple[str, str], str] = {}
    for line in section("Session").splitlines():
        if line.startswith("| ") and "`" in line:
            state, messages, after = (cell.strip() for cell in line.strip("|").split("|"))
            told |= {(state, kind): after for kind in re.findall(r"`(\w+)`", messages)}
    table = {
        (state.value, str(kind.__struct_config__.tag)): after.value for state in State for kind, after in MOVES[state].items()
    }
    assert told == table


@pytest.mark.parametrize(
    ("title", "message"),
    [
        ("hello", m.Hello),
        ("subscribe", m.Subscribe),
        ("subscribe", m.Filter),
        ("welcome", m.Welcome),
        ("snapshot", m.Snapshot),
        ("changes", m.Changes),
        ("answer", m.Answer),
        ("context", m.AskContext),
        ("context, as told", m.ContextAnswer),
        ("context, as told", Context),
        ("context, as told", Group),
        ("context, as told", Earlier),
        ("context, as told", NumberHistory),
    ],
)
def test_fields_are_documented(title: str, message: type[msgspec.Struct]) -> None:
    assert fields(message) <= named(section(title))


def test_commands_are_documented() -> None:
    told = set(re.findall(r"`([a-z_]+)`", section("command")))
    for command in get_args(AnyCommand):
        assert {str(command.__struct_config__.tag)} | fields(command) <= told | {"command_id"}, command


def test_codes_and_reasons_are_documented() -> None:
    assert {code.value for code in m.ErrorCode} <= named(section("error"))
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| ?(.*?) ?\|$", section("goodbye"), re.MULTILINE))
    assert set(rows) == {reason.value for reason in m.GoodbyeReason}
    assert {reason for reason, back in rows.items() if back.startswith("no")} == {reason.value for reason in m.FATAL}


def test_contexts_are_documented() -> None:
    asked, told = section("context"), section("context, as told")
    scope = Scope()
    assert f"{CLIENT_CONTEXTS} at once and {CLIENT_CONTEXTS_PER_S:g} a second" in asked
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|$", told, re.MULTILINE))
    assert {reason.value for reason in m.ContextReason} <= set(rows)
    assert {relation.value for relation in Relation} <= set(rows)
    assert f"first {('no', 'one', 'two', 'three', 'four')[CONTEXT_NUMBERS]} callers" in rows["same_number"]
    assert f"{scope.near_m:g} m and {scope.near_days} days" in rows["nearby"]
    assert f"{scope.road_m:g} m" in rows["same_road"]
    assert f"the newest {CONTEXT_LISTED};" in told
    assert {outcome.value for outcome in Outcome} <= named(told)
    assert all(f"`{words}`" in told for words in FALSE_CALL_WORDS)
    examples = re.findall(r'`(\{"kind":"context".*?\})`', asked + told)
    assert decode(examples[0].encode()) == m.AskContext(incident=17)
    whole = msgspec.json.encode(context(17)).decode()
    assert decode_centre(examples[1].replace("{…}", whole).encode()) == m.ContextAnswer(
        incident=17, reason="", context=context(17)
    )


def test_examples_are_messages() -> None:
    told = re.search(r"```\n(.*?)```", section("A first conversation"), re.DOTALL)
    assert told is not None
    text = told.group(1).replace("\n  ", "").replace(",…}", "}").replace("[…]", "[]").replace("…", "")
    lines = text.splitlines()
    assert len(lines) == 11
    kinds = []
    for line in lines:
        payload = line[2:].encode()
        message = decode(payload) if line.startswith("→") else decode_centre(payload)
        kinds.append(message.__struct_config__.tag)
    assert kinds[:3] == ["hello", "welcome", "subscribe"]
    welcome = decode_centre(lines[1][2:].encode())
    assert isinstance(welcome, m.Welcome)
    assert welcome.limits == m.Limits(
        message_max_bytes=FRAME_MAX_BYTES,
        subscriptions=CLIENT_SUBSCRIPTIONS,
        commands=CLIENT_COMMANDS,
        idle_timeout_s=IDLE_TIMEOUT_S,
    )
    assert f"1–{FILTER_ITEMS} items" in TEXT
