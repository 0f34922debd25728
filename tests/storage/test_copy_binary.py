"""Our binary COPY against a real PostgreSQL: whatever is packed comes back the same."""

from __future__ import annotations

import asyncio

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage import tables
from storage.copy_binary import Column, Kind, Row, Table, Value, compile_packer
from storage.pipeline import Pipeline
from storage.row_types import read_row_types
from storage.session import connect

TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=40)
YEAR_9999_US = 253_402_300_799_999_999
VALUES: dict[Kind, st.SearchStrategy[Value]] = {
    Kind.INT2: st.integers(-(2**15), 2**15 - 1),
    Kind.INT4: st.integers(-(2**31), 2**31 - 1),
    Kind.INT8: st.integers(-(2**63), 2**63 - 1),
    Kind.FLOAT8: st.floats(allow_nan=False),
    Kind.BOOL: st.booleans(),
    Kind.INSTANT: st.integers(-(10**15), YEAR_9999_US),
    Kind.TEXT: TEXT,
    Kind.TEXTS: st.lists(TEXT, max_size=4).map(tuple),
}
JSON = TEXT.map(msgspec.json.encode)


def rows_of(table: Table, json_columns: frozenset[str]) -> st.SearchStrategy[list[Row]]:
    def values(column: Column) -> st.SearchStrategy[Value]:
        if column.kind is Kind.BYTES:
            return (
                JSON
                if column.name in json_columns
                else st.binary(max_size=60)
                if column.name == "raw"
                else TEXT.map(str.encode)
            )
        one = VALUES[column.kind]
        return st.none() | one if column.nullable else one

    return st.lists(st.tuples(*map(values, table.columns)), min_size=1, max_size=5)


JSON_COLUMNS = frozenset({"view", "body", "explanation", "values", "passed_over", "state"})
ANY_TABLE_ROWS = st.sampled_from(tables.ALL).flatmap(lambda table: st.tuples(st.just(table), rows_of(table, JSON_COLUMNS)))


@pytest.fixture
def plain_tables(database: str) -> str:
    """The centre's tables without keys and partitions, where any row may stand."""

    async def make() -> None:
        connection = await asyncpg.connect(database)
        for table in tables.ALL:
            await connection.execute(f'CREATE UNLOGGED TABLE "plain_{table.name}" (LIKE "{table.name}")')
        await connection.close()

    asyncio.run(make())
    return database


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ANY_TABLE_ROWS, min_size=1, max_size=12))
def test_rows_come_back_the_same_when_sent_by_copy(plain_tables: str, batches: list[tuple[Table, list[Row]]]) -> None:
    async def main() -> None:
        connection = await connect(plain_tables, "test")
        pipeline = await Pipeline.open(plain_tables, "test")
        for table, rows in batches:
            plain = Table(f"plain_{table.name}", *table.columns)
            await connection.execute(f'TRUNCATE "{plain.name}"')
            pipeline.prepare("", plain.copy_statement)
            await pipeline.copy("", [b"".join(plain.pack(rows))])
            await pipeline.commit()
            await check_stored(connection, plain, rows)
        pipeline.close()
        await connection.close()

    asyncio.run(main())


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ANY_TABLE_ROWS, min_size=1, max_size=12))
def test_rows_come_back_the_same_when_sent_as_an_array(plain_tables: str, batches: list[tuple[Table, list[Row]]]) -> None:
    async def main() -> None:
        connection = await connect(plain_tables, "test")
        pipeline = await Pipeline.open(plain_tables, "test")
        row_types = await read_row_types(connection)
        for table, rows in batches:
            plain = Table(f"plain_{table.name}", *table.columns)
            row_type = row_types[table.name]
            await connection.execute(f'TRUNCATE "{plain.name}"')
            pipeline.prepare("", f'INSERT INTO "{plain.name}" SELECT * FROM unnest($1)', [row_type.array_oid])
            for part in (rows[:2], [], rows[2:]):
                pipeline.execute("", [row_type.array(part)])
            await pipeline.commit()
            await check_stored(connection, plain, rows)
        pipeline.close()
        await connection.close()

    asyncio.run(main())


async def check_stored(connection: asyncpg.Connection, plain: Table, rows: list[Row]) -> None:
    stored = [tuple(row) for row in await connection.fetch(f'SELECT * FROM "{plain.name}"')]
    assert [tuple(map(_comparable, row)) for row in stored] == [tuple(map(_comparable, row)) for row in rows]


def _comparable(value: object) -> object:
    if isinstance(value, list):
        return tuple(value)
    return value.encode() if isinstance(value, str) else value


def test_columns_are_in_the_order_of_the_schema(database: str) -> None:
    async def main() -> None:
        connection = await asyncpg.connect(database)
        for table in tables.ALL:
            rows = await connection.fetch(
                "SELECT attname, attnotnull, format_type(atttypid, NULL) AS type FROM pg_attribute"
                " WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
                f'"{table.name}"',
            )
            assert [(row["attname"], not row["attnotnull"]) for row in rows] == [
                (column.name, column.nullable) for column in table.columns
            ], table.name
            for row, column in zip(rows, table.columns, strict=True):
                assert row["type"] in TYPES[column.kind], (table.name, column.name)
        await connection.close()

    asyncio.run(main())


TYPES = {
    Kind.INT2: {"smallint"},
    Kind.INT4: {"integer"},
    Kind.INT8: {"bigint"},
    Kind.FLOAT8: {"double precision"},
    Kind.BOOL: {"boolean"},
    Kind.INSTANT: {"timestamp with time zone"},
    Kind.TEXT: {"text"},
    Kind.BYTES: {"bytea", "json", "text"},
    Kind.TEXTS: {"text[]"},
}


def test_compile_packer_raises_when_a_column_of_variable_width_is_nullable() -> None:
    with pytest.raises(ValueError, match="note"):
        compile_packer([Column("note", Kind.TEXT, nullable=True)])
