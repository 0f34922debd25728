"""Writes the tables of `PROTOCOL.md` from the code, so that the two cannot say different things.

`python -m protocols.ingest.document` rewrites the parts between `<!-- table: NAME -->` and `<!-- end -->`; a test holds that
there is nothing to rewrite.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Final, get_args

import msgspec
from msgspec import inspect as types

from core import events, limits, vocabulary
from core.vocabulary import RejectCode
from protocols.ingest import listener_ws, message, state
from protocols.ingest.message import FromCentre, GoodbyeReason, Heartbeat, Hello, SourceGoodbye
from protocols.ingest.state import MOVES, Happening, SessionState

PROTOCOL_MD: Final = Path(__file__).parent / "PROTOCOL.md"
_PART: Final = re.compile(r"(?<=<!-- table: )(?P<name>[\w ]+)(?P<arrow> -->\n)(?P<body>.*?)(?=<!-- end -->)", re.DOTALL)
_LIMITS: Final = (
    "FRAME_MAX_BYTES",
    "HELLO_MAX_BYTES",
    "JSON_DEPTH_MAX",
    "WINDOW_EVENTS",
    "WINDOW_BYTES",
    "HELLO_TIMEOUT_S",
    "IDLE_TIMEOUT_S",
    "CONNECTIONS_MAX",
    "HALF_OPEN_MAX",
    "MALFORMED_RUN_MAX",
)


def rewritten(text: str) -> str:
    """`text` with every table written anew. Raises `KeyError` for a table nobody knows."""
    return _PART.sub(lambda part: f"{part['name']}{part['arrow']}{_TABLES[part['name']]()}\n", text)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    return "\n".join([_row(*head), _row(*("---" for _ in head)), *(_row(*row) for row in rows)])


def _comments(module: ModuleType, owner: str | None = None) -> dict[str, str]:
    """Name → the string under its assignment, in a class of a module or in the module itself."""
    body: list[ast.stmt] = ast.parse(inspect.getsource(module)).body
    if owner is not None:
        body = next(node.body for node in body if isinstance(node, ast.ClassDef) and node.name == owner)
    found: dict[str, str] = {}
    for node, after in zip(body, [*body[1:], None], strict=True):
        match node, after:
            case (
                ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(words))),
            ):
                found[name] = " ".join(words.split())
    return found


def _enumeration(of: type[Enum], module: ModuleType) -> list[tuple[str, str]]:
    words = _comments(module, of.__name__)
    return [(f"`{member.value}`", words.get(member.name, "")) for member in of]


def _summary(of: type) -> str:
    return " ".join((inspect.getdoc(of) or "").split("\n\n")[0].split())


def _frames() -> str:
    rows = [("source → centre", f"`{_tag(each)}`", _summary(each)) for each in (Hello, Heartbeat, SourceGoodbye)]
    rows += [("source → centre", f"`{_tag(each)}`", _summary(each)) for each in get_args(events.AnyEvent)]
    rows += [("centre → source", f"`{_tag(each)}`", _summary(each)) for each in get_args(FromCentre)]
    return _table(("direction", "`kind`", "meaning"), rows)


def _tag(of: type) -> str:
    return str(of.__struct_config__.tag) if issubclass(of, msgspec.Struct) else ""


def _fields() -> str:
    parts = []
    for each in (*get_args(events.AnyEvent), events.Fix):
        words: dict[str, str] = {}
        for one in reversed(each.__mro__):
            if one.__module__ == events.__name__:
                words |= _comments(events, one.__name__)
        described = types.type_info(each)
        assert isinstance(described, types.StructType)
        rows = [
            (f"`{field.name}`", _type(field.type), "yes" if field.required else "no", words.get(field.name, ""))
            for field in described.fields
        ]
        title = f"`{_tag(each)}`" if each is not events.Fix else "A position object (`fix`, `given`, `cell`)"
        parts.append(f"#### {title}\n\n{_summary(each)}\n\n" + _table(("field", "type", "required", "remarks"), rows))
    return "\n\n".join(parts)


def _type(of: types.Type) -> str:
    match of:
        case types.StrType(min_length=least, max_length=most):
            return "string" + (f", {least or 0}–{most} characters" if most is not None else "")
        case types.IntType(ge=least, le=most):
            return "integer" + (f", at least {least}" if least is not None else "") + (f", at most {most}" if most else "")
        case types.FloatType(ge=least, le=most):
            return "number" + (f", {least:g} to {most:g}" if least is not None and most is not None else "")
        case types.CustomType(cls=of_any) if of_any is object:
            return "string (anything else is ignored)"
        case types.BoolType():
            return "true or false"
        case types.DateTimeType():
            return "RFC 3339 time with zone"
        case types.LiteralType(values=values):
            return "one of " + ", ".join(f"`{value}`" for value in values)
        case types.VarTupleType(item_type=item, max_length=most):
            return f"array of up to {most}: {_type(item)}"
        case types.StructType():
            return "position object"
        case types.NoneType():
            return "null"
        case types.UnionType(types=members):
            return " or ".join(_type(member) for member in members)
        case types.Metadata(type=inner):
            return _type(inner)
        case _:
            raise TypeError(f"no words for {of}")


def _goodbyes() -> str:
    rows = [
        (*row, str(listener_ws.close_code(GoodbyeReason(row[0].strip("`"))).value))
        for row in _enumeration(GoodbyeReason, message)
    ]
    return _table(("`reason`", "meaning", "WebSocket close code"), rows)


def _errors() -> str:
    return _table(("`code`", "meaning"), _enumeration(RejectCode, vocabulary))


def _limits() -> str:
    words = _comments(limits)
    rows = [(f"`{name}`", f"{getattr(limits, name):,}", words[name]) for name in _LIMITS]
    return _table(("limit", "value", "meaning"), rows)


def _states() -> str:
    head = ("state", *(f"`{happening.value}`" for happening in Happening))
    rows = [
        (f"`{each.value}`", *(f"`{moves[happening].value}`" if happening in moves else "–" for happening in Happening))
        for each, moves in MOVES.items()
    ]
    return "\n\n".join(
        [
            _table(head, rows),
            _table(("state", "meaning"), _enumeration(SessionState, state)),
            _table(("happening", "meaning"), _enumeration(Happening, state)),
        ]
    )


def _diagram() -> str:
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {next(iter(SessionState)).value}"]
    for each, moves in MOVES.items():
        lines += [f"    {each.value} --> {after.value}: {happening.value}" for happening, after in moves.items()]
        if not moves:
            lines.append(f"    {each.value} --> [*]")
    return "\n".join([*lines, "```"])


_TABLES: Final[dict[str, Callable[[], str]]] = {
    "frames": _frames,
    "event fields": _fields,
    "goodbyes": _goodbyes,
    "errors": _errors,
    "limits": _limits,
    "states": _states,
    "diagram": _diagram,
}


if __name__ == "__main__":
    PROTOCOL_MD.write_text(rewritten(PROTOCOL_MD.read_text(encoding="utf-8")), encoding="utf-8")
