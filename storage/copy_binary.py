"""PostgreSQL's binary COPY format, packed by functions that are compiled once for each table.

Place in the flow: persist. A row is a tuple in the order of the table's columns; instants are whole microseconds since 1970, as
everywhere in the centre. For each table a packing function is generated: neighbouring columns of fixed width, and the length
of the variable one that follows, share one precompiled `struct.Struct`, so a row costs a few C calls and no object a value.
Source: PostgreSQL manual, COPY, "Binary Format"; array layout as `array_send` writes it.

Rules: a value that does not fit its column raises `struct.error`: the caller's bug. What PostgreSQL may refuse (text with a NUL
or invalid UTF-8) is passed on; the writer deals with the refusal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from struct import Struct
from typing import Final, NamedTuple

HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
"""Signature, flags, no extension."""
TRAILER: Final = b"\xff\xff"
EPOCH_2000_US: Final = 946_684_800_000_000
"""PostgreSQL counts its microseconds from 2000-01-01 UTC."""

Value = int | float | str | bytes | bool | tuple[str, ...] | None
Row = tuple[Value, ...]


class Kind(Enum):
    """How a column's value is packed. The value is the struct code of its body; empty for those of variable width."""

    INT2 = "h"
    INT4 = "i"
    INT8 = "q"
    FLOAT8 = "d"
    BOOL = "?"
    INSTANT = "Q"
    """`timestamptz` from microseconds since 1970."""
    TEXT = "text"
    """`text` from `str`."""
    BYTES = "bytes"
    """`bytea`, `json` or `text` whose bytes the caller has already."""
    TEXTS = "texts"
    """`text[]` from a tuple of `str`."""


class Column(NamedTuple):
    """A column of a table, in the table's order."""

    name: str
    kind: Kind
    nullable: bool = False


_LENGTH: Final = Struct(">i")
_ARRAY_HEAD: Final = Struct(">iii")
_ARRAY_SIZE: Final = Struct(">ii")
_TEXT_OID: Final = 25


def _pack_texts(values: Sequence[str]) -> bytes:
    bodies = [value.encode() for value in values]
    return array_of(_TEXT_OID, len(bodies), [part for body in bodies for part in (_LENGTH.pack(len(body)), body)])


Packer = Callable[[Iterable[Row]], list[bytes]]


def compile_packer(columns: Sequence[Column]) -> Packer:
    """A function that packs rows into pieces to be joined between `HEADER` and `TRAILER`.

    The code is generated from the columns, as `dataclasses` does for `__init__`, and never from data.
    """
    return _compile(columns, None)


def compile_element_packer(columns: Sequence[Column], oids: Sequence[int]) -> Packer:
    """A function that packs rows as elements of an array of a row type, each behind its length, as `record_send` writes them.

    Args:
        columns: of the row type, in order.
        oids: their types in this database.
    """
    return _compile(columns, oids)


def array_of(oid: int, count: int, elements: Iterable[bytes]) -> bytes:
    """An array of one dimension in binary format, as `array_send` writes it, of packed elements of the type `oid`."""
    if not count:
        return _ARRAY_HEAD.pack(0, 0, oid)
    return b"".join((_ARRAY_HEAD.pack(1, 0, oid), _ARRAY_SIZE.pack(count, 1), *elements))


def _compile(columns: Sequence[Column], oids: Sequence[int] | None) -> Packer:
    """Packs rows of COPY, whose fields have a length, or with `oids` rows as values, whose fields have a type as well."""
    namespace: dict[str, object] = {"texts": _pack_texts, "EPOCH": EPOCH_2000_US, "LENGTH": _LENGTH.pack}
    prepare: list[str] = []
    pieces: list[str] = []
    layout, arguments = ("h" if oids is None else "i"), [str(len(columns))]

    def flush() -> None:
        nonlocal layout, arguments
        if layout:
            name = f"pack{len(pieces)}"
            namespace[name] = Struct(">" + layout).pack
            pieces.append(f"{name}({', '.join(arguments)})")
        layout, arguments = "", []

    for number, column in enumerate(columns):
        value = f"v{number}"
        if oids is not None:
            layout += "i"
            arguments.append(str(oids[number]))
        match column.kind:
            case Kind.TEXT | Kind.BYTES | Kind.TEXTS:
                if column.nullable:
                    raise ValueError(f"{column.name}: columns of variable width are never null here")
                if column.kind is Kind.TEXT:
                    prepare.append(f"{value} = {value}.encode()")
                elif column.kind is Kind.TEXTS:
                    prepare.append(f"{value} = texts({value})")
                layout += "i"
                arguments.append(f"len({value})")
                flush()
                pieces.append(value)
            case fixed:
                code = "q" if fixed is Kind.INSTANT else fixed.value
                body = f"{value} - EPOCH" if fixed is Kind.INSTANT else value
                width = Struct(">" + code).size
                if column.nullable:
                    flush()
                    namespace[f"pack_{code}"] = Struct(">i" + code).pack
                    pieces.append(f"LENGTH(-1) if {value} is None else pack_{code}({width}, {body})")
                else:
                    layout += "i" + code
                    arguments += [str(width), body]
    flush()
    names = ", ".join(f"v{number}" for number in range(len(columns)))
    lines = ["def pack(rows):", " parts = []", " put = parts.extend", f" for {names}, in rows:"]
    lines += [f"  {line}" for line in prepare]
    if oids is None:
        lines.append(f"  put(({', '.join(pieces)},))")
    else:
        lines += [f"  row = ({', '.join(pieces)},)", "  put((LENGTH(sum(map(len, row))), *row))"]
    lines.append(" return parts")
    exec("\n".join(lines), namespace)  # noqa: S102 - our own columns, see above
    packer: Packer = namespace["pack"]  # type: ignore[assignment]
    return packer


class Table:
    """A table as COPY writes it: its name, its columns in order, and how to pack its rows."""

    def __init__(self, name: str, *columns: Column) -> None:
        self.name = name
        self.columns = columns
        self.pack = compile_packer(columns)
        names = ", ".join(f'"{column.name}"' for column in columns)
        self.copy_statement = f'COPY "{name}" ({names}) FROM STDIN (FORMAT binary)'

    @property
    def column_names(self) -> list[str]:
        """Names of the columns in order."""
        return [column.name for column in self.columns]

    def encode(self, rows: Iterable[Row]) -> bytes:
        """A whole COPY input of these rows."""
        return b"".join((HEADER, *self.pack(rows), TRAILER))
